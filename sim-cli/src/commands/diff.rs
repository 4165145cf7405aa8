//! `vmsim diff`: two runs side by side, to the first step that differs.

use sim_core::{Profile, SnapshotLevel, VmFlags};
use sim_oracle::{Comparison, Level};
use sim_scenario::{Overrides, Scenario, StepReport};

use crate::arguments::{DiffArguments, Kernel};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print;
use crate::scenarios;
use crate::walk::{State, Told, Walk};

/// Two runs and the first step in which they differ.
pub(crate) struct Comparing<'s> {
    /// What is compared.
    pub(crate) sides: [&'s Scenario; 2],
    /// How they are called.
    pub(crate) names: [String; 2],
    /// Steps that came out the same.
    pub(crate) same_steps: usize,
    /// The first one that did not.
    pub(crate) found: Option<Found<'s>>,
}

/// The first step that differs.
pub(crate) struct Found<'s> {
    /// The step on each side; `None` where that run has come to its end.
    pub(crate) steps: [Option<Told<'s>>; 2],
    /// In what they differ.
    pub(crate) differences: Vec<String>,
    /// The processes before it; the same on both sides.
    pub(crate) before: Vec<State<'s>>,
    /// The processes after it.
    pub(crate) after: [Vec<State<'s>>; 2],
}

/// Compares two runs.
pub(crate) fn run(arguments: &DiffArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let [left, right] = read(arguments, output)?;
    let comparing = compare(&left, &right, arguments.level)?;
    if arguments.json {
        output.json(&print::diff::Document::new(&comparing));
    } else {
        print::diff::report(&comparing, output);
    }
    Ok(Ending::good_if(comparing.found.is_none()))
}

/// Two files, or one under two kernels.
fn read(arguments: &DiffArguments, output: &Output) -> Result<[Scenario; 2], Trouble> {
    let overrides = Overrides {
        kernel: None,
        arch: arguments.arch,
    };
    let one = |path| scenarios::read_one(path, overrides, output);
    let left = one(&arguments.left)?;
    let right = arguments.right.as_deref().map(one).transpose()?;
    let wrong = |text: &str| Err(Trouble::WrongInput(format!("error: {text}")));
    let on = |scenario, kernel: Kernel| scenarios::one_on_kernel(scenario, kernel);
    match (right, arguments.kernel.as_slice()) {
        (None, []) => wrong("one file is compared under two kernels: --kernel A,B"),
        (None, [_]) => wrong("one file is compared under two kernels, and there is only one"),
        (None, [a, b]) => Ok([on(left.clone(), *a)?, on(left, *b)?]),
        (Some(right), []) => Ok([left, right]),
        (Some(right), [both]) => Ok([on(left, *both)?, on(right, *both)?]),
        (Some(right), [a, b]) => Ok([on(left, *a)?, on(right, *b)?]),
        (_, [_, _, _, ..]) => wrong("two runs are compared, so at most two kernels"),
    }
}

fn compare<'s>(
    left: &'s Scenario,
    right: &'s Scenario,
    level: Level,
) -> Result<Comparing<'s>, Trouble> {
    let mut walks = Walks {
        left: Walk::new(left)?,
        right: Walk::new(right)?,
        comparison: comparison(left, right, level),
        level,
    };
    let mut comparing = Comparing {
        sides: [left, right],
        names: names(left, right),
        same_steps: 0,
        found: None,
    };
    let mut before = Vec::new();
    loop {
        let steps = [walks.left.step()?, walks.right.step()?];
        if let [None, None] = steps {
            return Ok(comparing);
        }
        let after = [
            walks.left.states(SnapshotLevel::All)?,
            walks.right.states(SnapshotLevel::All)?,
        ];
        let differences = walks.differences(&steps, &after);
        let [left, _] = &after;
        if differences.is_empty() {
            comparing.same_steps += 1;
            before.clone_from(left);
        } else {
            comparing.found = Some(Found {
                steps,
                differences,
                before,
                after,
            });
            return Ok(comparing);
        }
    }
}

/// What distinguishes the two sides: their files, or their kernels.
fn names(left: &Scenario, right: &Scenario) -> [String; 2] {
    let sides = [left, right];
    if left.source.name() == right.source.name() {
        sides.map(|side| format!("Linux {}", side.setup.profile))
    } else if left.setup.profile == right.setup.profile {
        sides.map(|side| side.source.name().to_owned())
    } else {
        sides.map(|side| format!("{} on {}", side.source.name(), side.setup.profile))
    }
}

struct Walks<'s> {
    left: Walk<'s>,
    right: Walk<'s>,
    comparison: Comparison,
    level: Level,
}

impl Walks<'_> {
    /// In what a step differs: results, then processes, then their states.
    fn differences(
        &self,
        steps: &[Option<Told<'_>>; 2],
        after: &[Vec<State<'_>>; 2],
    ) -> Vec<String> {
        let [Some(left), Some(right)] = steps else {
            return vec!["one run has come to its end".to_owned()];
        };
        let mut found = Vec::new();
        let reports = [&left.finished.report, &right.finished.report];
        found.extend(results(reports));
        if self.level == Level::Result {
            return found;
        }
        let [left, right] = after;
        let process_names = |states: &[State<'_>]| -> Vec<String> {
            states.iter().map(|(name, _)| (*name).to_owned()).collect()
        };
        let (ours, theirs) = (process_names(left), process_names(right));
        if ours != theirs {
            let text = format!("processes: {} | {}", ours.join(" "), theirs.join(" "));
            found.push(text);
            return found;
        }
        for ((name, left), (_, right)) in left.iter().zip(right) {
            if let Some(difference) = self.comparison.snapshots(left, right) {
                found.push(format!("{name}: {difference}"));
            }
        }
        found
    }
}

/// Do results differ? Two checks differ if one holds and the other does not.
fn results([left, right]: [&StepReport<'_>; 2]) -> Option<String> {
    let texts = [left, right].map(print::explain::result);
    let [ours, theirs] = &texts;
    (ours != theirs).then(|| format!("result: {ours} | {theirs}"))
}

/// All of it, but for soft-dirty where one kernel is built without it.
fn comparison(left: &Scenario, right: &Scenario, level: Level) -> Comparison {
    let without = |scenario: &Scenario| scenario.setup.profile == Profile::V6_18Stable;
    if without(left) == without(right) {
        return Comparison::new(level);
    }
    // Pages have the bit too, and cannot be compared without it.
    let mut comparison = Comparison::new(level.min(Level::Flags));
    comparison.ignored_flags = VmFlags::SOFTDIRTY;
    comparison
}
