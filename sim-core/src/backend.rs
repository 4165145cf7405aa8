//! The one trait through which scenarios, replay, fuzzers and benchmarks drive a simulator, a live
//! kernel or a model.

use std::fmt;

use crate::{Call, Outcome, Pid, Snapshot};

/// How much of the state a snapshot holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SnapshotLevel {
    /// VMAs and their flags.
    Vma,
    /// And page states and counters.
    All,
}

/// What can go wrong with a back end itself, as opposed to the calls it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BackendError {
    /// No live process has this number.
    NoSuchProcess(Pid),
    /// The back end cannot run this call; the text says why.
    NotSupported(String),
    /// The back end broke down (a helper died or hung, a resource is missing).
    Broken(String),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProcess(pid) => write!(f, "there is no process {pid}"),
            Self::NotSupported(why) => write!(f, "not supported: {why}"),
            Self::Broken(why) => write!(f, "the back end broke down: {why}"),
        }
    }
}

impl std::error::Error for BackendError {}

/// Something that runs [`Call`]s: a simulator, a live kernel, a model.
///
/// A back end starts with one process, [`Pid::MAIN`], whose arena is empty.
pub trait Backend {
    /// Runs a call in a process.
    ///
    /// # Errors
    /// Only for trouble of the back end itself; errors that the program would see are an
    /// [`Outcome`].
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError>;

    /// The visible state of a process.
    ///
    /// # Errors
    /// If there is no such process or its state cannot be read.
    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError>;

    /// Live processes, ascending.
    fn processes(&self) -> Vec<Pid>;

    /// Checks the back end's own invariants, if it has any that can be checked.
    ///
    /// # Errors
    /// The name of the first one that is broken, and where.
    fn check_invariants(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// The same back end for several threads; `None` if it serves one only.
    fn concurrent(&self) -> Option<&dyn Concurrent> {
        None
    }
}

/// A back end that several threads use at the same time.
pub trait Concurrent: Sync {
    /// Runs a call in a process, as [`Backend::call`] does.
    ///
    /// # Errors
    /// As [`Backend::call`].
    fn run(&self, pid: Pid, call: &Call) -> Result<Outcome, BackendError>;

    /// Says whether several threads are about to make calls; locks are only taken then. Only one
    /// thread may run when this changes.
    fn set_concurrent(&self, concurrent: bool);
}
