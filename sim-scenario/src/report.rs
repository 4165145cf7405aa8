//! What a run came to.

use sim_core::{Arch, Outcome, Pid, Profile, Snapshot};

use crate::scenario::{Scenario, Step};
use crate::source::{Place, Span};

/// A run from its first to its last step.
#[derive(Clone, Debug)]
pub struct RunReport<'s> {
    /// What was run.
    pub scenario: &'s Scenario,
    /// Every step that ran, in the order in which it ended; a step inside `repeat` once for each
    /// time.
    pub steps: Vec<StepReport<'s>>,
    /// The processes that live at the end, by number.
    pub processes: Vec<ProcessReport<'s>>,
    /// Under which schedules it ran, if it has threads.
    pub schedules: Option<ScheduleReport>,
}

/// The schedules of a scenario with `parallel`, and how they came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduleReport {
    /// What they are made from.
    pub seed: u64,
    /// How many ran, the first one included.
    pub ran: u32,
    /// The numbers of those in which something was not as expected.
    pub failed: Vec<u32>,
    /// The number of the one that is reported: the first that failed, otherwise 0.
    pub shown: u32,
}

impl RunReport<'_> {
    /// Did every step come out as expected?
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(StepReport::is_ok)
    }

    /// The steps that did not come out as expected.
    pub fn failed(&self) -> impl Iterator<Item = &StepReport<'_>> {
        self.steps.iter().filter(|step| !step.is_ok())
    }

    /// The kernel that was simulated.
    pub fn kernel(&self) -> Profile {
        self.scenario.setup.profile
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.scenario.setup.arch
    }
}

/// A step that ran once.
#[derive(Clone, Debug)]
pub struct StepReport<'s> {
    /// The step: its index, operation, arguments, expectation and place.
    pub step: &'s Step,
    /// What it came to.
    pub result: StepResult,
    /// What is not as expected; empty if all is.
    pub failures: Vec<Failure>,
}

impl StepReport<'_> {
    /// Did it come out as expected?
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepResult {
    /// A call's outcome.
    Call(Outcome),
    /// A check was made.
    Checked,
    /// It could not be run, because of what happened before; the failure says why.
    NotRun,
}

/// Something that is not as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where the expectation is written.
    pub span: Span,
    /// What was expected and what is.
    pub cause: String,
}

impl Failure {
    /// Its place in the scenario's text.
    pub fn place(&self, scenario: &Scenario) -> Place {
        scenario.source.place(self.span)
    }
}

/// The final state of a process.
#[derive(Clone, Debug)]
pub struct ProcessReport<'s> {
    /// Its name in the scenario.
    pub name: &'s str,
    /// Its number.
    pub pid: Pid,
    /// Its VMAs and pages.
    pub snapshot: Snapshot,
}
