//! Runs a scenario on a back end.

use std::fmt;

use sim_core::{Backend, BackendError, Pid, SnapshotLevel};

use crate::report::{ProcessReport, RunReport, StepReport};
use crate::scenario::{Scenario, Step};
use crate::schedule::Schedule;
use crate::source::Place;
use crate::stepper::Stepper;

/// Watches a run. It gets the back end as its own type, so it can ask a simulator for events.
pub trait Observer<B: ?Sized> {
    /// A step is about to run.
    fn before_step(&mut self, step: &Step, pid: Pid, backend: &mut B) {
        let _ = (step, pid, backend);
    }

    /// A step has run.
    fn after_step(&mut self, report: &StepReport<'_>, backend: &mut B) {
        let _ = (report, backend);
    }

    /// Whether the back end's invariants are checked after every step (`--check`).
    fn checks_every_step(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unobserved;

impl<B: ?Sized> Observer<B> for Unobserved {}

/// The back end could not go on.
#[derive(Clone, Debug)]
pub struct RunError {
    /// The step it was at; `None` while the final state was read.
    pub at: Option<(Place, &'static str)>,
    /// The scenario's name: its path.
    pub file: String,
    /// What it says.
    pub error: BackendError,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some((Place { line, column }, op)) => {
                let Self { file, error, .. } = self;
                write!(f, "{file}:{line}:{column}: {op}: {error}")
            }
            None => write!(f, "{}: reading the final state: {}", self.file, self.error),
        }
    }
}

impl std::error::Error for RunError {}

/// Runs every step, goes on after failed expectations, and reads the final state. The threads of
/// `parallel` run one after another.
///
/// # Errors
/// If the back end itself cannot go on; nothing that the scenario does is an error.
pub fn run<'s, B: Backend + ?Sized>(
    scenario: &'s Scenario,
    backend: &mut B,
    observer: &mut dyn Observer<B>,
) -> Result<RunReport<'s>, RunError> {
    run_scheduled(scenario, Schedule::InOrder, backend, observer)
}

/// The same, with the threads of `parallel` as a schedule says. What happens in threads is observed
/// when they have joined.
///
/// # Errors
/// As [`run`]; and if threads are to run at the same time on a back end that serves one only.
pub fn run_scheduled<'s, B: Backend + ?Sized>(
    scenario: &'s Scenario,
    schedule: Schedule,
    backend: &mut B,
    observer: &mut dyn Observer<B>,
) -> Result<RunReport<'s>, RunError> {
    let mut stepper = Stepper::scheduled(scenario, schedule);
    let mut steps = Vec::new();
    while let Some(finished) = stepper.step_observed(backend, observer)? {
        let mut report = finished.report;
        if observer.checks_every_step() {
            let broken = crate::check::invariants(backend, report.step.span);
            report.failures.extend(broken);
        }
        observer.after_step(&report, backend);
        steps.push(report);
    }
    let processes = final_state(&stepper, backend)?;
    Ok(RunReport {
        scenario,
        steps,
        processes,
        schedules: None,
    })
}

fn final_state<'s, B: Backend + ?Sized>(
    stepper: &Stepper<'s>,
    backend: &mut B,
) -> Result<Vec<ProcessReport<'s>>, RunError> {
    let failed = |error| RunError {
        at: None,
        file: stepper.scenario().source.name().to_owned(),
        error,
    };
    let mut processes = Vec::new();
    for pid in backend.processes() {
        let Some(name) = stepper.process_name(pid) else {
            continue;
        };
        let snapshot = backend.snapshot(pid, SnapshotLevel::All).map_err(failed)?;
        processes.push(ProcessReport {
            name,
            pid,
            snapshot,
        });
    }
    Ok(processes)
}
