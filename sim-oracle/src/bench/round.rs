//! What is run, and on what.

use std::sync::Arc;

use sim_core::{BackendError, Call, Outcome, Pid, Setup, VirtAddr};

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A call in a process.
    Call(Pid, Call),
    /// The heap of a process starts here (what execve decides).
    PlaceBrk(Pid, VirtAddr),
}

impl Step {
    /// A call in the first process.
    pub const fn main(call: Call) -> Self {
        Self::Call(Pid::MAIN, call)
    }

    /// Its name.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Call(_, call) => call.op(),
            Self::PlaceBrk(..) => "start of the heap",
        }
    }
}

/// A list of steps that begins on a new machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Script {
    /// The machine.
    pub setup: Arc<Setup>,
    /// The steps.
    pub steps: Arc<[Step]>,
}

/// What of a round is timed.
#[derive(Clone, Debug)]
pub enum Timed {
    /// Steps.
    Steps(Arc<[Step]>),
    /// Look-ups of addresses.
    Lookups(Vec<VirtAddr>),
}

impl Timed {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Steps(steps) => steps.len(),
            Self::Lookups(addresses) => addresses.len(),
        }
    }

    /// Whether there is nothing to time.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs all of it. The first step that did not succeed, with what came of it.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn run<T: Target>(&self, target: &mut T) -> Result<Option<Failure>, BackendError> {
        match self {
            Self::Steps(steps) => run_all(target, steps),
            Self::Lookups(addresses) => target.find_vmas(addresses).map(|_| None),
        }
    }

    /// The same while other threads run other rounds.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn run_beside<T: Target>(&self, target: &T) -> Result<Option<Failure>, BackendError> {
        match self {
            Self::Steps(steps) => run_each(steps, |step| target.run_beside(step)),
            Self::Lookups(addresses) => target.find_vmas(addresses).map(|_| None),
        }
    }
}

/// A step that did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{op} came out as {outcome}: the workload does not measure what it should")]
pub struct Failure {
    /// Its operation.
    pub op: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// Runs steps to the last one, whatever comes of them. The first that did not succeed.
///
/// # Errors
/// If the back end fails.
pub(super) fn run_all<T: Target>(
    target: &mut T,
    steps: &[Step],
) -> Result<Option<Failure>, BackendError> {
    run_each(steps, |step| target.run(step))
}

fn run_each(
    steps: &[Step],
    mut run: impl FnMut(&Step) -> Result<Outcome, BackendError>,
) -> Result<Option<Failure>, BackendError> {
    let mut failed = None;
    for step in steps {
        let outcome = run(step)?;
        if !matches!(outcome, Outcome::Value(_)) && failed.is_none() {
            let op = step.op();
            failed = Some(Failure { op, outcome });
        }
    }
    Ok(failed)
}

/// How a round is to be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// As programs do it; timed as a whole.
    Bulk,
    /// An operation a step; steps are timed one by one.
    Single,
}

/// Steps with what must come before and after them.
#[derive(Clone, Debug)]
pub struct Round {
    /// Begin with a new machine.
    pub fresh: Option<Arc<Setup>>,
    /// Done before, not timed.
    pub before: Vec<Step>,
    /// What is measured.
    pub timed: Timed,
    /// Done afterwards, not timed.
    pub after: Vec<Step>,
    /// How many operations the timed steps are.
    pub ops: u64,
    /// Whether each timed step must succeed.
    pub strict: bool,
}

impl Round {
    /// An error if a step failed that had to succeed.
    pub(super) fn judge(&self, failed: Option<Failure>) -> Result<(), Failure> {
        failed.filter(|_| self.strict).map_or(Ok(()), Err)
    }

    /// A round whose every timed step is an operation that must succeed.
    pub fn of(timed: Vec<Step>) -> Self {
        Self {
            fresh: None,
            before: Vec::new(),
            ops: timed.len() as u64,
            timed: Timed::Steps(timed.into()),
            after: Vec::new(),
            strict: true,
        }
    }
}

/// Something that runs steps: a simulated machine, or the running kernel.
pub trait Target: Sync {
    /// Starts afresh.
    ///
    /// # Errors
    /// If that is not possible.
    fn fresh(&mut self, setup: &Setup) -> Result<(), BackendError>;

    /// Several threads are about to use it, or no longer.
    fn set_concurrent(&self, concurrent: bool);

    /// Whether reasons of merges are to be recorded.
    ///
    /// # Errors
    /// If the back end fails.
    fn record_events(&self, on: bool) -> Result<(), BackendError>;

    /// Called before steps are timed.
    fn begin(&self) {}

    /// Runs a step, alone.
    ///
    /// # Errors
    /// If the back end fails.
    fn run(&mut self, step: &Step) -> Result<Outcome, BackendError> {
        self.run_beside(step)
    }

    /// Runs a step while other threads run others.
    ///
    /// # Errors
    /// If the back end fails.
    fn run_beside(&self, step: &Step) -> Result<Outcome, BackendError>;

    /// How many of these addresses are in a VMA of the first process.
    ///
    /// # Errors
    /// If the back end fails.
    fn find_vmas(&self, addresses: &[VirtAddr]) -> Result<usize, BackendError>;

    /// Called after steps were timed: recorded events are dropped.
    fn end(&self) {}

    /// VMAs of the first process, if they can be counted.
    fn vmas(&self) -> Option<usize>;
}
