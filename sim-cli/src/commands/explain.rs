//! `vmsim explain`: which merges each step considered, and why each happened or did not.

use sim_core::{Event, Profile, SnapshotLevel, VmFlags};
use sim_oracle::{Comparison, Level};
use sim_scenario::{Overrides, Scenario};

use crate::arguments::ExplainArguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print;
use crate::print::explain::{Document, StepEntry};
use crate::scenarios;
use crate::walk::{State, Told, Walk};

/// A step with all that is known about it.
pub(crate) struct Explained<'s> {
    /// What it came to and what happened.
    pub(crate) told: Told<'s>,
    /// The names of the processes in which something happened, in the order of `told.events`.
    names: Vec<&'s str>,
    /// What the other kernel did.
    pub(crate) otherwise: Option<Otherwise>,
}

impl Explained<'_> {
    /// What happened, with the name of the process.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&str, &Event)> {
        let by_process = self.names.iter().zip(&self.told.events);
        by_process.flat_map(|(name, (_, events))| events.iter().map(|event| (*name, event)))
    }
}

/// What another kernel did differently in a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Otherwise {
    /// Which kernel.
    pub(crate) kernel: Profile,
    /// Both results, if they differ: here, there.
    pub(crate) result: Option<(String, String)>,
    /// What happened there, if that differs.
    pub(crate) events: Option<Vec<String>>,
    /// In what the layouts came to differ in this step: one line a process.
    pub(crate) layout: Vec<String>,
}

impl Otherwise {
    /// Did it do the same?
    pub(crate) fn is_same(&self) -> bool {
        self.result.is_none() && self.events.is_none() && self.layout.is_empty()
    }
}

/// Explains a scenario.
pub(crate) fn run(arguments: &ExplainArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let scenario = read(arguments, output)?;
    let other = arguments
        .against
        .map(|kernel| scenarios::one_on_kernel(scenario.clone(), kernel))
        .transpose()?;
    let mut runs = Runs::new(&scenario, other.as_ref())?;
    if !arguments.json {
        print::explain::heading(&scenario, other.as_ref(), output);
    }
    let mut entries = Vec::new();
    let mut differing = Vec::new();
    let (mut steps, mut good) = (0, true);
    while let Some(explained) = runs.step()? {
        let report = &explained.told.finished.report;
        steps += 1;
        good &= report.is_ok();
        if explained.otherwise.as_ref().is_some_and(|o| !o.is_same()) {
            differing.push(report.step.index);
        }
        if arguments.json {
            entries.push(StepEntry::new(&explained, &scenario));
        } else {
            print::explain::step(&explained, &scenario, output);
        }
    }
    let against = other.as_ref().map(|other| other.setup.profile);
    if arguments.json {
        output.json(&Document::new(&scenario, against, good, entries));
    } else {
        let differing = against.map(|kernel| (kernel, differing.as_slice()));
        print::explain::summary(steps, differing, good, output);
    }
    Ok(Ending::good_if(good))
}

/// The step of the n-th report of a run, from 0; `None` if there are not so many.
pub(crate) fn nth(scenario: &Scenario, n: usize) -> Result<Option<Explained<'_>>, Trouble> {
    let mut runs = Runs::new(scenario, None)?;
    for _ in 0..n {
        runs.step()?;
    }
    runs.step()
}

fn read(arguments: &ExplainArguments, output: &Output) -> Result<Scenario, Trouble> {
    let overrides = Overrides {
        kernel: None,
        arch: arguments.machine.arch,
    };
    let scenario = scenarios::read_one(&arguments.path, overrides, output)?;
    match arguments.machine.kernel {
        Some(kernel) => scenarios::one_on_kernel(scenario, kernel),
        None => Ok(scenario),
    }
}

/// The run that is explained, and the one on another kernel.
struct Runs<'s> {
    here: Walk<'s>,
    there: Option<There<'s>>,
}

struct There<'s> {
    walk: Walk<'s>,
    comparison: Comparison,
    /// What differs between the layouts now.
    differences: Vec<String>,
}

impl<'s> Runs<'s> {
    fn new(scenario: &'s Scenario, other: Option<&'s Scenario>) -> Result<Self, Trouble> {
        let there = |other: &'s Scenario| {
            Ok(There {
                walk: Walk::new(other)?,
                comparison: comparison(scenario, other),
                differences: Vec::new(),
            })
        };
        Ok(Self {
            here: Walk::new(scenario)?,
            there: other.map(there).transpose()?,
        })
    }

    fn step(&mut self) -> Result<Option<Explained<'s>>, Trouble> {
        let Some(told) = self.here.step()? else {
            return Ok(None);
        };
        let otherwise = match &mut self.there {
            Some(there) => there.step(&told, &mut self.here)?,
            None => None,
        };
        let names = told
            .events
            .iter()
            .map(|(pid, _)| self.here.name(*pid).unwrap_or("?"))
            .collect();
        Ok(Some(Explained {
            told,
            names,
            otherwise,
        }))
    }
}

impl<'s> There<'s> {
    fn step(
        &mut self,
        here: &Told<'s>,
        here_walk: &mut Walk<'s>,
    ) -> Result<Option<Otherwise>, Trouble> {
        let Some(there) = self.walk.step()? else {
            return Ok(None);
        };
        let results = [here, &there].map(|told| print::explain::result(&told.finished.report));
        let [result_here, result_there] = results;
        let events = [here, &there].map(lines);
        let [events_here, events_there] = events;
        let ours = here_walk.states(SnapshotLevel::Vma)?;
        let theirs = self.walk.states(SnapshotLevel::Vma)?;
        let differences = self.differences(&ours, &theirs);
        let layout = differences
            .iter()
            .filter(|difference| !self.differences.contains(difference))
            .cloned()
            .collect();
        self.differences = differences;
        Ok(Some(Otherwise {
            kernel: self.walk.scenario().setup.profile,
            result: (result_here != result_there).then_some((result_here, result_there)),
            events: (events_here != events_there).then_some(events_there),
            layout,
        }))
    }

    fn differences(&self, ours: &[State<'_>], theirs: &[State<'_>]) -> Vec<String> {
        let mut differences = Vec::new();
        for (name, here) in ours {
            let Some((_, there)) = theirs.iter().find(|(other, _)| other == name) else {
                differences.push(format!("there is no process {name}"));
                continue;
            };
            if let Some(difference) = self.comparison.snapshots(here, there) {
                differences.push(format!("layout of {name}: {difference}"));
            }
        }
        for (name, _) in theirs {
            if !ours.iter().any(|(other, _)| other == name) {
                differences.push(format!("there is still a process {name}"));
            }
        }
        differences
    }
}

/// What happened, in words.
fn lines(told: &Told<'_>) -> Vec<String> {
    told.all_events()
        .filter_map(print::events::describe)
        .collect()
}

/// Layouts and flags, but for soft-dirty where one kernel is built without it.
fn comparison(here: &Scenario, there: &Scenario) -> Comparison {
    let without = |scenario: &Scenario| scenario.setup.profile == Profile::V6_18Stable;
    let mut comparison = Comparison::new(Level::Flags);
    if without(here) != without(there) {
        comparison.ignored_flags = VmFlags::SOFTDIRTY;
    }
    comparison
}
