//! A scenario with threads, again and again: each time from the start, each time in another order.

use sim_core::{Backend, BackendError};

use crate::report::{RunReport, ScheduleReport};
use crate::runner::{Observer, RunError, run_scheduled};
use crate::scenario::{Op, Scenario, Step};
use crate::schedule::Schedules;

/// What came of running a scenario again.
#[derive(Clone, Debug)]
pub struct Again<'s> {
    /// The numbers of the schedules in which something was not as expected.
    pub failed: Vec<u32>,
    /// The run under the first one of them.
    pub first: Option<RunReport<'s>>,
}

impl<'s> Again<'s> {
    /// The run to show: `first`, in which the threads ran one after another, unless something was
    /// as expected in that order only.
    #[must_use]
    pub fn shown(self, first: RunReport<'s>, schedules: Schedules) -> RunReport<'s> {
        let mut failed = self.failed;
        if !first.is_ok() {
            failed.insert(0, 0);
        }
        let summary = ScheduleReport {
            seed: schedules.seed,
            ran: schedules.count.saturating_add(1),
            shown: failed.first().copied().unwrap_or(0),
            failed,
        };
        let shown = match self.first {
            Some(later) if first.is_ok() => later,
            Some(_) | None => first,
        };
        RunReport {
            schedules: Some(summary),
            ..shown
        }
    }
}

impl Scenario {
    /// Does it have steps that run on threads?
    pub fn has_threads(&self) -> bool {
        fn any(steps: &[Step]) -> bool {
            steps.iter().any(|step| match &step.op {
                Op::Parallel { .. } => true,
                Op::Repeat { steps, .. } => any(steps),
                _ => false,
            })
        }
        any(&self.steps)
    }
}

/// Runs a scenario from its start under schedule 1 and all that follow, each time on a fresh
/// machine. After each run the machine's invariants must hold; `check` says whether they are also
/// checked after every step.
///
/// # Errors
/// If a machine cannot go on; nothing that the scenario does is an error.
pub fn explore(
    scenario: &Scenario,
    schedules: Schedules,
    check: bool,
) -> Result<Again<'_>, RunError> {
    let mut again = Again {
        failed: Vec::new(),
        first: None,
    };
    for number in 1..=schedules.count {
        let report = once(scenario, schedules, number, check)?;
        if !report.is_ok() {
            again.failed.push(number);
            again.first.get_or_insert(report);
        }
    }
    Ok(again)
}

fn once(
    scenario: &Scenario,
    schedules: Schedules,
    number: u32,
    check: bool,
) -> Result<RunReport<'_>, RunError> {
    let failed = |error: BackendError| RunError {
        at: None,
        file: scenario.source.name().to_owned(),
        error,
    };
    let mut machine = sim_fork::new_machine(&scenario.setup).map_err(failed)?;
    let mut observer = Checking(check);
    let schedule = schedules.nth(number);
    let mut report = run_scheduled(scenario, schedule, &mut *machine, &mut observer)?;
    if let Some(last) = report.steps.last_mut() {
        let broken = crate::check::invariants(&mut *machine, last.step.span);
        last.failures.extend(broken);
    }
    Ok(report)
}

/// Watches nothing, but may ask for invariants.
struct Checking(bool);

impl<B: Backend + ?Sized> Observer<B> for Checking {
    fn checks_every_step(&self) -> bool {
        self.0
    }
}
