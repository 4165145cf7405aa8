//! A scenario in the simulator, step by step, with what happened in each step.

use sim_core::{Event, Pid, Snapshot, SnapshotLevel};
use sim_fork::SimBackend;
use sim_scenario::{Finished, Scenario, Stepper};

use crate::ending::Trouble;
use crate::simulator;

/// A run that stops after each step.
pub(crate) struct Walk<'s> {
    stepper: Stepper<'s>,
    machine: Box<dyn SimBackend>,
}

/// A step that has run, and what happened in it.
pub(crate) struct Told<'s> {
    /// The step.
    pub(crate) finished: Finished<'s>,
    /// Events by process, those of the step's own first; processes without any are left out.
    pub(crate) events: Vec<(Pid, Vec<Event>)>,
}

impl Told<'_> {
    /// Every event.
    pub(crate) fn all_events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().flat_map(|(_, events)| events)
    }
}

/// A live process: its name and its state.
pub(crate) type State<'s> = (&'s str, Snapshot);

impl<'s> Walk<'s> {
    /// Before the first step.
    pub(crate) fn new(scenario: &'s Scenario) -> Result<Self, Trouble> {
        Ok(Self {
            stepper: Stepper::new(scenario),
            machine: simulator::new(&scenario.setup)?,
        })
    }

    /// Runs the next step; `None` at the end.
    pub(crate) fn step(&mut self) -> Result<Option<Told<'s>>, Trouble> {
        for pid in self.machine.processes() {
            let _ = self.machine.record_events(pid, true);
        }
        let finished = self
            .stepper
            .step(&mut *self.machine)
            .map_err(|error| Trouble::Impossible(error.to_string()))?;
        Ok(finished.map(|finished| Told {
            events: self.events(&finished),
            finished,
        }))
    }

    /// What happened; nothing is left of a process that ended.
    fn events(&self, finished: &Finished<'_>) -> Vec<(Pid, Vec<Event>)> {
        let own = finished.call.as_ref().map(|(pid, _)| *pid);
        let mut processes = self.machine.processes();
        processes.sort_by_key(|pid| (Some(*pid) != own, *pid));
        processes
            .into_iter()
            .filter_map(|pid| Some((pid, self.machine.take_events(pid).ok()?)))
            .filter(|(_, events)| !events.is_empty())
            .collect()
    }

    /// The name of a live process.
    pub(crate) fn name(&self, pid: Pid) -> Option<&'s str> {
        self.stepper.process_name(pid)
    }

    /// Every live process.
    pub(crate) fn states(&mut self, level: SnapshotLevel) -> Result<Vec<State<'s>>, Trouble> {
        let mut states = Vec::new();
        for pid in self.machine.processes() {
            if let Some(name) = self.name(pid) {
                let snapshot = self.machine.snapshot(pid, level);
                states.push((name, snapshot.map_err(|error| simulator::trouble(&error))?));
            }
        }
        Ok(states)
    }

    /// What runs.
    pub(crate) const fn scenario(&self) -> &'s Scenario {
        self.stepper.scenario()
    }
}
