//! Random calls at the same time, on threads of the simulator.
//!
//! A run is a [`History`]: calls one after another, then some on several threads. There are two kinds.
//!
//! - **Orders**: a few calls on each thread, each of which Linux makes in one piece. Afterwards some
//!   sequential order of the calls must explain every outcome and the final state of every process
//!   (linearisability). A call that had ended before another one began comes before it in that order.
//! - **Storm**: many calls of any kind. Afterwards the invariants must hold.
//!
//! In both nothing may panic, hang or break down, and the invariants must hold. Which calls are in
//! one piece is in [`history`].

pub mod history;
mod orders;
mod pool;
mod scenario;
mod shorten;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sim_core::{BackendError, Pid, Setup, Snapshot, SnapshotLevel};
use sim_fork::SimBackend;

use crate::generate::{Mode, run_seed};
pub use history::{History, Kind};
use pool::{Pool, Timed};

/// What is to be fuzzed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of the whole.
    pub seed: u64,
    /// The first run, by number.
    pub first_run: u64,
    /// How many calls, in all.
    pub calls: u64,
    /// When to stop even if calls are left.
    pub time: Option<Duration>,
    /// The subject.
    pub mode: Mode,
    /// Threads that make calls at the same time.
    pub threads: usize,
    /// The kernel and its settings; files and limits are those of the mode.
    pub setup: Setup,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Histories that were compared with orders.
    pub orders: u64,
    /// Storms.
    pub storms: u64,
    /// Calls made.
    pub calls: u64,
    /// Histories with too many orders to try.
    pub undecided: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

impl Progress {
    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// What is wrong with a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// No sequential order explains it; the text is about the one that came nearest.
    NoOrder(String),
    /// An invariant is broken.
    Invariant(String),
    /// A thread panicked, or the machine broke down.
    Broken(String),
    /// The threads did not come to an end.
    Hang,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoOrder(nearest) => write!(f, "no order of the calls explains this: {nearest}"),
            Self::Invariant(broken) => write!(f, "a broken invariant: {broken}"),
            Self::Broken(why) => write!(f, "the simulator broke down: {why}"),
            Self::Hang => f.write_str("the threads did not come to an end"),
        }
    }
}

/// A finding, and the calls that lead to it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The number of the run.
    pub run: u64,
    /// What is wrong.
    pub finding: Finding,
    /// The calls that remain; repeated, they lead to it again, though not every time.
    pub history: History,
    /// How many calls there were.
    pub original: usize,
    /// How often it happened again when the remaining calls were repeated, of how many times.
    pub again: (u32, u32),
    /// All that as a scenario.
    pub scenario: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How far it came.
    pub progress: Progress,
    /// The first finding.
    pub found: Option<Box<Found>>,
}

/// Runs histories until one of them goes wrong or all calls are made. `progress` is told after each.
///
/// # Errors
/// If there cannot be a machine.
pub fn fuzz(options: &Options, progress: &dyn Fn(&Progress)) -> Result<Report, BackendError> {
    let begin = Instant::now();
    let mut runner = Runner::new(options.threads);
    let mut report = Report::default();
    let mut run = options.first_run;
    let more = |done: &Progress| {
        done.calls < options.calls && options.time.is_none_or(|time| done.elapsed < time)
    };
    while more(&report.progress) {
        let seed = run_seed(options.seed, run);
        let history = History::random(options, seed);
        let (tried, finding) = runner.judge(&history, seed)?;
        let done = &mut report.progress;
        match history.kind {
            Kind::Orders => done.orders += 1,
            Kind::Storm => done.storms += 1,
        }
        done.calls += history.calls() as u64;
        done.undecided += u64::from(tried == Tried::TooMany);
        done.elapsed = begin.elapsed();
        progress(done);
        if let Some(finding) = finding {
            let found = runner.reduce(run, history, finding)?;
            report.found = Some(Box::new(found));
            return Ok(report);
        }
        run += 1;
    }
    Ok(report)
}

/// Were all orders tried that might explain a history?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tried {
    Enough,
    TooMany,
}

/// Everything that can be seen of a history from outside.
struct Seen {
    threads: Vec<Vec<Timed>>,
    states: Vec<(Pid, Snapshot)>,
}

/// Runs histories.
struct Runner {
    pool: Pool,
}

impl Runner {
    fn new(threads: usize) -> Self {
        Self {
            pool: Pool::new(threads),
        }
    }

    /// Runs a history on threads, and says what is wrong with it.
    fn judge(
        &mut self,
        history: &History,
        seed: u64,
    ) -> Result<(Tried, Option<Finding>), BackendError> {
        let mut machine = sim_fork::new_machine(&history.setup)?;
        if let Err(finding) = catching(|| before(&mut *machine, history)) {
            return Ok((Tried::Enough, Some(finding)));
        }
        let (mut machine, threads) = match self.pool.run(machine, &history.threads, seed) {
            Ok(ran) => ran,
            Err(finding) => return Ok((Tried::Enough, Some(finding))),
        };
        let judged = catching(|| {
            SimBackend::check_invariants(&*machine).map_err(Finding::Invariant)?;
            match history.kind {
                Kind::Storm => Ok(Tried::Enough),
                Kind::Orders => {
                    let states = states(&mut *machine)?;
                    orders::explain(history, &Seen { threads, states })
                }
            }
        });
        Ok(match judged {
            Ok(tried) => (tried, None),
            Err(finding) => (Tried::Enough, Some(finding)),
        })
    }
}

/// Makes the calls that come before the threads.
fn before(machine: &mut dyn SimBackend, history: &History) -> Result<(), Finding> {
    for (pid, call) in &history.before {
        match machine.call(*pid, call) {
            Ok(_) | Err(BackendError::NoSuchProcess(_) | BackendError::NotSupported(_)) => {}
            Err(BackendError::Broken(why)) => return Err(Finding::Broken(why)),
        }
    }
    Ok(())
}

/// What can be seen of each process. Not whether VMAs have an anon_vma: a fault prepares it before it
/// finds that its page has become another one, so that it may stay of a fault that had no effect.
fn states(machine: &mut dyn SimBackend) -> Result<Vec<(Pid, Snapshot)>, Finding> {
    let processes = machine.processes();
    let state = |pid| {
        let snapshot = machine.snapshot(pid, SnapshotLevel::All);
        let mut snapshot = snapshot.map_err(|error| Finding::Broken(error.to_string()))?;
        for vma in &mut snapshot.vmas {
            vma.anon_vma = None;
        }
        Ok((pid, snapshot))
    };
    processes.into_iter().map(state).collect()
}

/// A panic is a finding like others.
fn catching<T>(run: impl FnOnce() -> Result<T, Finding>) -> Result<T, Finding> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(Finding::Broken(text(&*panic))))
}

/// What a panic says.
fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a text"))
}

#[cfg(test)]
mod tests;
