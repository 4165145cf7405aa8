//! Differential fuzzing: random calls on two back ends, until they differ.

mod contestant;
mod job;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim_core::{Backend, BackendError, Call, Pid, Setup};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use contestant::Live;
pub use contestant::{Contestant, Fresh, Simulator};

use crate::compare::Comparison;
use crate::generate::Mode;
use crate::lockstep::Divergence;
use crate::model::Model;
use job::Job;

/// What is to be fuzzed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of the whole.
    pub seed: u64,
    /// The first run, by number; a run is reproduced by starting with it.
    pub first_run: u64,
    /// How many calls, in all.
    pub calls: u64,
    /// Calls in a run.
    pub calls_per_run: usize,
    /// The subject.
    pub mode: Mode,
    /// Threads.
    pub jobs: usize,
    /// What is compared.
    pub comparison: Comparison,
    /// States are compared after so many calls (results always).
    pub compare_every: usize,
    /// The kernel and its settings; files and limits are those of the mode.
    pub setup: Setup,
}

impl Options {
    /// The defaults for a seed, a mode and a setup.
    pub fn new(seed: u64, mode: Mode, setup: Setup) -> Self {
        Self {
            seed,
            first_run: 0,
            calls: 100_000,
            calls_per_run: mode.run_length(),
            mode,
            jobs: 1,
            comparison: Comparison::new(crate::compare::Level::Pages),
            compare_every: 1,
            setup,
        }
    }
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Runs done.
    pub runs: u64,
    /// Calls made on both sides.
    pub calls: u64,
    /// Calls left out since a side cannot run them.
    pub skipped: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

impl Progress {
    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A difference that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The number of the run.
    pub run: u64,
    /// The run's mode.
    pub mode: Mode,
    /// Calls of the run before it was made smaller.
    pub original: Vec<(Pid, Call)>,
    /// The calls that remain.
    pub calls: Vec<(Pid, Call)>,
    /// The difference at their end.
    pub divergence: Divergence,
    /// The setup of the run.
    pub setup: Setup,
    /// All that as a scenario.
    pub scenario: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How far it came.
    pub progress: Progress,
    /// The difference with the lowest number of its run, if any was found.
    pub found: Option<Box<Found>>,
    /// Differences that did not happen every time when their calls were run again. They are not
    /// reported as found: a kernel does things on its own account, too.
    pub not_repeated: Vec<Divergence>,
    /// Calls that the left side does not model, by operation and reason.
    pub not_modelled: BTreeMap<String, u64>,
    /// Why runs could not be made, and how many.
    pub not_possible: BTreeMap<String, u64>,
}

/// The simulator and the reference model, compared in what both know: results, layout, flags.
#[must_use]
pub fn against_model(check: bool) -> (Box<dyn Contestant>, Box<dyn Contestant>) {
    let model = Fresh::new("the reference model", |setup: &Setup| {
        let model: Box<dyn Backend> = Box::new(Model::new(setup));
        Ok(model)
    });
    let simulator = Simulator::new(check).without_contents();
    (Box::new(simulator), Box::new(model))
}

/// Makes the two sides, left and right, for one thread.
pub type Sides<'a> = dyn Fn() -> (Box<dyn Contestant>, Box<dyn Contestant>) + Sync + 'a;

/// What all threads share.
struct Shared<'a> {
    options: &'a Options,
    next_run: AtomicU64,
    calls: AtomicU64,
    runs: AtomicU64,
    skipped: AtomicU64,
    stop: AtomicBool,
    begin: Instant,
    report: Mutex<Report>,
    progress: &'a (dyn Fn(&Progress) + Sync),
}

impl Shared<'_> {
    fn progress(&self) -> Progress {
        Progress {
            runs: self.runs.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            elapsed: self.begin.elapsed(),
        }
    }

    fn report(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn found(&self, found: Found) {
        self.stop.store(true, Ordering::Relaxed);
        let mut report = self.report();
        if report.found.as_ref().is_none_or(|old| found.run < old.run) {
            report.found = Some(Box::new(found));
        }
    }
}

/// Fuzzes until a difference is found or all calls are made. `progress` is told after each run.
///
/// # Errors
/// If a side cannot be started or breaks down for reasons of its own.
pub fn fuzz(
    options: &Options,
    sides: &Sides<'_>,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Report, BackendError> {
    let shared = Shared {
        options,
        next_run: AtomicU64::new(options.first_run),
        calls: AtomicU64::new(0),
        runs: AtomicU64::new(0),
        skipped: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        begin: Instant::now(),
        report: Mutex::new(Report::default()),
        progress,
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs.max(1))
            .map(|_| scope.spawn(|| Job::new(&shared, sides()).run()))
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    for result in results {
        match result {
            Ok(result) => result?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    let mut report = std::mem::take(&mut *shared.report());
    report.progress = shared.progress();
    Ok(report)
}

#[cfg(test)]
mod tests;
