//! `vmsim verify`: scenarios in the simulator and on the running kernel, step by step.

use sim_core::Features;
use sim_oracle::Lockstep;
use sim_oracle::lockstep::{Divergence, Side};
use sim_scenario::scenario::FeatureSwitch;
use sim_scenario::source::Place;
use sim_scenario::{Observer, Overrides, Scenario, StepReport};

use crate::arguments::VerifyArguments;
use crate::commands::explain::{self, Explained};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print;
use crate::{live, scenarios, simulator};

/// How a scenario's comparison came out.
pub(crate) enum Verdict<'s> {
    /// So many steps, and no difference.
    Agrees(usize),
    /// They differ.
    Differs(Box<Difference<'s>>),
    /// It cannot be run on a live kernel, and why.
    NotPossible(String),
}

/// The first difference of a scenario.
pub(crate) struct Difference<'s> {
    /// Where the step is.
    pub(crate) place: Place,
    /// Its index.
    pub(crate) step: usize,
    /// Its operation.
    pub(crate) op: &'static str,
    /// Its process.
    pub(crate) process: String,
    /// What differs.
    pub(crate) what: String,
    /// Both states side by side.
    pub(crate) states: String,
    /// What the simulator did in that step.
    pub(crate) plan: Option<Explained<'s>>,
}

/// Compares every scenario, if none is wrong.
pub(crate) fn run(arguments: &VerifyArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let scenarios = scenarios::read_all(&arguments.paths, Overrides::default(), output)?;
    live::available()?;
    let mut scenarios = scenarios::on_kernel(scenarios, arguments.kernel)?;
    for scenario in &mut scenarios {
        live::adopt(&mut scenario.setup);
    }
    let (_, features) = scenarios::behaviour(arguments.kernel)?;
    let not_compared = live::not_compared();
    if !arguments.json {
        print::not_compared(&not_compared, output);
    }
    let mut verdicts = Vec::new();
    for scenario in &scenarios {
        let verdict = match other_behaviour(scenario, features) {
            Some(why) => Verdict::NotPossible(why),
            None => verify(scenario, arguments)?,
        };
        if !arguments.json {
            print::verify::scenario(scenario, &verdict, output);
        }
        verdicts.push(verdict);
    }
    if arguments.json {
        output.line(print::verify::document(
            &scenarios,
            &verdicts,
            &not_compared,
        ));
    } else {
        print::verify::summary(&verdicts, output);
    }
    ending(&verdicts)
}

/// Why a scenario cannot agree: it switches behaviours to what the kernel does not do, or cannot be
/// asked to do.
fn other_behaviour(scenario: &Scenario, features: Features) -> Option<String> {
    if scenario.setup.thp.read_only_thp_for_fs {
        return Some("whether files have huge pages is decided when a kernel is built".to_owned());
    }
    let differs = |switch: &&FeatureSwitch| {
        let mut switched = features;
        switch.apply(&mut switched);
        switched != features
    };
    let names: Vec<_> = scenario
        .switches
        .iter()
        .filter(differs)
        .map(|switch| switch.name())
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "[kernel_features] asks for what this kernel does not do: {}",
            names.join(", ")
        )
    })
}

fn verify<'s>(scenario: &'s Scenario, arguments: &VerifyArguments) -> Result<Verdict<'s>, Trouble> {
    let mut kernel = match live::new(&scenario.setup) {
        Ok(kernel) => kernel,
        Err(Trouble::Impossible(why)) => return Ok(Verdict::NotPossible(why)),
        Err(wrong) => return Err(wrong),
    };
    let mut simulator = simulator::new(&scenario.setup)?;
    let mut comparison = live::comparison(arguments.level, scenario.setup.profile);
    comparison.ignored_counters.extend(&arguments.ignore);
    let mut both = Lockstep::new(&mut *simulator, &mut *kernel, comparison);
    let mut watcher = Watcher::default();
    let result = sim_scenario::run(scenario, &mut both, &mut watcher);
    if let Some(at) = watcher.differs {
        let found = both.into_divergence();
        return Ok(Verdict::Differs(Box::new(
            at.into_difference(scenario, found)?,
        )));
    }
    match result {
        Ok(report) => Ok(Verdict::Agrees(report.steps.len())),
        Err(error) => Ok(Verdict::NotPossible(match both.failed_side() {
            Some(Side::Right) => format!("on the kernel: {error}"),
            Some(Side::Left) | None => format!("in the simulator: {error}"),
        })),
    }
}

/// A difference is the answer; otherwise, if nothing could be compared, there is none.
fn ending(verdicts: &[Verdict<'_>]) -> Result<Ending, Trouble> {
    let differs = |verdict: &Verdict<'_>| matches!(verdict, Verdict::Differs(_));
    if verdicts.iter().any(differs) {
        return Ok(Ending::Found);
    }
    let reasons: Option<Vec<_>> = verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::NotPossible(why) => Some(why.as_str()),
            Verdict::Agrees(_) | Verdict::Differs(_) => None,
        })
        .collect();
    match reasons {
        Some(reasons) => Err(Trouble::Impossible(format!(
            "nothing could be compared: {}",
            reasons.join("; ")
        ))),
        None => Ok(Ending::Good),
    }
}

/// Notes the step at which the back ends came to differ.
#[derive(Default)]
struct Watcher {
    reports: usize,
    differs: Option<At>,
}

struct At {
    report: usize,
    step: sim_scenario::scenario::Step,
}

impl At {
    fn into_difference(
        self,
        scenario: &Scenario,
        found: Option<Divergence>,
    ) -> Result<Difference<'_>, Trouble> {
        let what = found.as_ref().map(Divergence::summary);
        let states = found.and_then(|found| found.states(("simulator", "kernel")));
        Ok(Difference {
            place: scenario.source.place(self.step.span),
            step: self.step.index,
            op: self.step.op.name(),
            process: self.step.process,
            what: what.unwrap_or_default(),
            states: states.unwrap_or_default(),
            plan: explain::nth(scenario, self.report)?,
        })
    }
}

impl Observer<Lockstep<'_>> for Watcher {
    fn after_step(&mut self, report: &StepReport<'_>, both: &mut Lockstep<'_>) {
        if self.differs.is_none() && both.divergence().is_some() {
            self.differs = Some(At {
                report: self.reports,
                step: report.step.clone(),
            });
        }
        self.reports += 1;
    }
}
