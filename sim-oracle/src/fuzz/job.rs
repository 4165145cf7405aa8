//! One thread of a fuzzing run.

use std::sync::atomic::Ordering;

use sim_core::{BackendError, Call, Outcome, Pid, Setup};

use super::{Contestant, Found, Shared};
use crate::compare::Difference;
use crate::generate::{Generator, Mode, run_seed};
use crate::lockstep::{Divergence, Lockstep, Side};
use crate::render;
use crate::shrink::{Shrunk, shrink};

/// Lists run while shrinking.
const SHRINK_TRIES: usize = 1500;

pub(super) struct Job<'a> {
    shared: &'a Shared<'a>,
    left: Box<dyn Contestant>,
    right: Box<dyn Contestant>,
}

/// A difference of the simulator happens again in each of so many repetitions.
const REPETITIONS: usize = 3;

/// What a run came to.
struct RunEnd {
    calls: Vec<(Pid, Call)>,
    divergence: Option<Divergence>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        (left, right): (Box<dyn Contestant>, Box<dyn Contestant>),
    ) -> Self {
        Self {
            shared,
            left,
            right,
        }
    }

    pub(super) fn run(mut self) -> Result<(), BackendError> {
        let shared = self.shared;
        let more = || {
            !shared.stop.load(Ordering::Relaxed)
                && shared.calls.load(Ordering::Relaxed) < shared.options.calls
        };
        while more() {
            let run = shared.next_run.fetch_add(1, Ordering::Relaxed);
            let mut generator =
                Generator::new(shared.options.mode, run_seed(shared.options.seed, run));
            let mut setup = shared.options.setup.clone();
            generator.prepare(&mut setup);
            let end = match self.play(&setup, &mut generator) {
                Err(BackendError::NotSupported(why)) => {
                    self.leave_out(why)?;
                    continue;
                }
                end => end?,
            };
            shared.runs.fetch_add(1, Ordering::Relaxed);
            if let Some(divergence) = end.divergence {
                let mode = generator.mode();
                match self.reduce(run, setup, end.calls) {
                    Some(found) => shared.found(Found { mode, ..found }),
                    None => shared.report().not_repeated.push(divergence),
                }
            }
            (shared.progress)(&shared.progress());
        }
        Ok(())
    }

    /// A run that cannot be made here is left out, unless all are like that.
    fn leave_out(&self, why: String) -> Result<(), BackendError> {
        const MOST: u64 = 100;
        let shared = self.shared;
        let none_yet = shared.runs.load(Ordering::Relaxed) == 0;
        let mut report = shared.report();
        let count = report.not_possible.entry(why.clone()).or_default();
        *count += 1;
        if shared.options.mode != Mode::Mixed || none_yet && *count > MOST {
            return Err(BackendError::NotSupported(why));
        }
        Ok(())
    }

    fn play(&mut self, setup: &Setup, generator: &mut Generator) -> Result<RunEnd, BackendError> {
        let options = self.shared.options;
        self.left.release(setup);
        let right = self.right.start(setup)?;
        let left = self.left.start(setup)?;
        let mut both = Lockstep::new(left, right, options.comparison.clone())
            .comparing_every(options.compare_every);
        let mut calls = Vec::new();
        for _ in 0..options.calls_per_run {
            let (pid, call) = generator.next_call();
            match step(&mut both, pid, &call) {
                Step::Outcome(outcome) => {
                    generator.observe(pid, &call, outcome);
                    calls.push((pid, call));
                    self.shared.calls.fetch_add(1, Ordering::Relaxed);
                }
                Step::Skipped => {
                    self.shared.skipped.fetch_add(1, Ordering::Relaxed);
                }
                Step::NotModelled(why) => {
                    let what = format!("{}: {why}", call.op());
                    *self.shared.report().not_modelled.entry(what).or_default() += 1;
                    break;
                }
                Step::Broken => {
                    calls.push((pid, call));
                }
            }
            if both.divergence().is_some() {
                break;
            }
        }
        both.finish();
        Ok(RunEnd {
            calls,
            divergence: both.into_divergence(),
        })
    }

    /// The difference that a list of calls leads to, if it does every time.
    fn repeated(&mut self, setup: &Setup, calls: &[(Pid, Call)]) -> Option<Divergence> {
        let mut last = None;
        for _ in 0..REPETITIONS {
            last = Some(self.replay(setup, calls)?);
        }
        last
    }

    /// Runs a list of calls afresh, comparing after each.
    fn replay(&mut self, setup: &Setup, calls: &[(Pid, Call)]) -> Option<Divergence> {
        self.left.release(setup);
        let right = self.right.start(setup).ok()?;
        let left = self.left.start(setup).ok()?;
        let mut both = Lockstep::new(left, right, self.shared.options.comparison.clone());
        for (index, (pid, call)) in calls.iter().enumerate() {
            if let Step::NotModelled(_) = step(&mut both, *pid, call) {
                return None;
            }
            if both.divergence().is_some() {
                // Calls that were skipped do not count on the way, but do in the list.
                return both.into_divergence().map(|d| Divergence { index, ..d });
            }
        }
        None
    }

    fn reduce(&mut self, run: u64, setup: Setup, calls: Vec<(Pid, Call)>) -> Option<Found> {
        let original = calls.clone();
        let divergence = self.repeated(&setup, &calls)?;
        let failing = Shrunk { calls, divergence };
        let shrunk = {
            let mut test = |calls: &[(Pid, Call)]| self.replay(&setup, calls);
            shrink(failing, &mut test, SHRINK_TRIES)
        };
        self.repeated(&setup, &shrunk.calls)?;
        let setup = used_files_only(setup, &shrunk.calls);
        let title = format!("Difference found by seed {}", self.shared.options.seed);
        let scenario = render::scenario(&title, &setup, &self.outcomes(&setup, &shrunk.calls));
        Some(Found {
            run,
            mode: self.shared.options.mode,
            original,
            calls: shrunk.calls,
            divergence: shrunk.divergence,
            setup,
            scenario,
        })
    }

    /// The calls with what they come to on the right side.
    fn outcomes(
        &mut self,
        setup: &Setup,
        calls: &[(Pid, Call)],
    ) -> Vec<(Pid, Call, Option<Outcome>)> {
        let Ok(right) = self.right.start(setup) else {
            return Vec::new();
        };
        calls
            .iter()
            .map(|(pid, call)| (*pid, call.clone(), right.call(*pid, call).ok()))
            .collect()
    }
}

/// What a call in lockstep came to.
enum Step {
    Outcome(Outcome),
    /// No side has run it.
    Skipped,
    /// Only the right side has run it.
    NotModelled(String),
    /// A side broke down; that is a difference.
    Broken,
}

fn step(both: &mut Lockstep<'_>, pid: Pid, call: &Call) -> Step {
    use sim_core::Backend as _;
    match both.call(pid, call) {
        Ok(outcome) => Step::Outcome(outcome),
        Err(BackendError::NotSupported(why)) => match both.failed_side() {
            Some(Side::Left) => Step::NotModelled(why),
            Some(Side::Right) | None => Step::Skipped,
        },
        Err(BackendError::NoSuchProcess(_)) => Step::Skipped,
        Err(BackendError::Broken(why)) => {
            let right = both.failed_side() == Some(&Side::Right);
            both.break_down(pid, call, Difference::Broken { right, why });
            Step::Broken
        }
    }
}

/// Files that no call names go from the end of the list (their numbers are their places in it).
fn used_files_only(mut setup: Setup, calls: &[(Pid, Call)]) -> Setup {
    let used = calls
        .iter()
        .filter_map(|(_, call)| match call {
            Call::Mmap(args) => args.file,
            Call::Truncate { file, .. } | Call::PunchHole { file, .. } => Some(*file),
            _ => None,
        })
        .map(|file| file.0 as usize + 1)
        .max()
        .unwrap_or(0);
    setup.files.truncate(used);
    setup
}
