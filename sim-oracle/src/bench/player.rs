//! Runs a workload on a target and takes the time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sim_core::{BackendError, VirtAddr};

use super::round::run_all;
use super::stopwatch::{Clock, Stopwatch};
use super::work::{Work, parts};
use super::{BenchError, Failure, Round, Shape, Spec, Step, Target, Timed, Workload};

/// How long to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Timed work of one repeat, at least.
    pub least: Duration,
    /// A repeat ends after so much time with what is not timed, at the latest.
    pub most: Duration,
    /// Operations timed one by one in a repeat, for percentiles; none if 0.
    pub singles: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            least: Duration::from_millis(15),
            most: Duration::from_millis(250),
            singles: 2000,
        }
    }
}

/// What one repeat came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Repeat {
    /// Operations.
    pub ops: u64,
    /// The time they took, of several threads from the start of the first to the end of the last.
    pub nanoseconds: f64,
    /// Times of single operations, in nanoseconds.
    pub singles: Vec<f64>,
}

/// A workload under way on a target.
pub struct Player<T> {
    target: T,
    workload: Workload,
    works: Vec<Box<dyn Work>>,
    /// The clock for a single thread.
    by: Clock,
    /// Whether locks are taken.
    locks: bool,
    /// What reading the clock takes, and calling the target.
    clock: f64,
}

impl<T: Target> Player<T> {
    /// Makes what must be there before, and runs a round to warm up, whose outcomes are checked.
    ///
    /// # Errors
    /// If the target fails, or the workload does not do what it should on it.
    pub fn new(target: T, spec: &Spec) -> Result<Self, BenchError> {
        if let (Some(why), 2..) = (spec.workload.single_threaded(), spec.threads) {
            let why = format!("{} runs on one thread only: {why}", spec.workload.name());
            return Err(BenchError::NotPossible(why));
        }
        let mut player = Self {
            target,
            workload: spec.workload,
            works: parts(spec),
            by: if spec.by_wall() {
                Clock::Wall
            } else {
                Clock::Thread
            },
            locks: spec.locks || spec.threads > 1,
            clock: 0.0,
        };
        for work in &mut player.works {
            let steps = work.prepare();
            player.target.begin();
            run_checked(&mut player.target, &steps)?;
        }
        if spec.workload == Workload::MergeRefused {
            player.target.record_events(true)?;
        }
        player.clock = player.clock_overhead()?;
        for shape in [Shape::Bulk, Shape::Single] {
            for thread in 0..player.works.len() {
                let round = player.works[thread].round(shape);
                player.rehearse(&round)?;
            }
        }
        Ok(player)
    }

    /// The target.
    pub const fn target(&self) -> &T {
        &self.target
    }

    /// The target, to be changed.
    pub const fn target_mut(&mut self) -> &mut T {
        &mut self.target
    }

    /// One round, untimed, with a look at each outcome.
    ///
    /// # Errors
    /// If an outcome is not what it should be.
    pub fn rehearse(&mut self, round: &Round) -> Result<(), BenchError> {
        self.before(round)?;
        self.target.begin();
        match &round.timed {
            Timed::Steps(steps) => round.judge(run_all(&mut self.target, steps)?)?,
            Timed::Lookups(addresses) => {
                let found = self.target.find_vmas(addresses)?;
                if found != addresses.len() {
                    let why = "an address to look up is in no VMA".to_owned();
                    return Err(BenchError::NotPossible(why));
                }
            }
        }
        run_checked(&mut self.target, &round.after)
    }

    /// The next round of the only thread.
    pub fn next_round(&mut self, shape: Shape) -> Round {
        self.works[0].round(shape)
    }

    /// Measures once: some rounds as a whole, and some step by step.
    ///
    /// # Errors
    /// If the target fails.
    pub fn repeat(&mut self, effort: Effort) -> Result<Repeat, BenchError> {
        let mut repeat = Repeat::default();
        let least = effort.least.as_nanos() as f64;
        let start = Instant::now();
        while repeat.ops == 0 || (repeat.nanoseconds < least && start.elapsed() < effort.most) {
            self.bulk(&mut repeat)?;
        }
        let start = Instant::now();
        while repeat.singles.len() < effort.singles && start.elapsed() < effort.most {
            if !self.single(&mut repeat.singles)? {
                break;
            }
        }
        Ok(repeat)
    }

    /// A round on each thread, timed as a whole.
    fn bulk(&mut self, repeat: &mut Repeat) -> Result<(), BenchError> {
        let rounds: Vec<_> = self
            .works
            .iter_mut()
            .map(|work| work.round(Shape::Bulk))
            .collect();
        for round in &rounds {
            self.before(round)?;
        }
        self.target.begin();
        repeat.nanoseconds += match (&rounds[..], self.by) {
            ([round], Clock::Thread) => timed(self.by, round, |t| t.run(&mut self.target))?,
            (rounds, _) => self.at_once(rounds)?,
        };
        self.target.end();
        for round in &rounds {
            repeat.ops += round.ops;
            run_all(&mut self.target, &round.after)?;
        }
        Ok(())
    }

    /// From the start of the first thread to the end of the last one.
    fn at_once(&self, rounds: &[Round]) -> Result<f64, BenchError> {
        let (gate, target) = (Gate::new(rounds.len()), &self.target);
        target.set_concurrent(self.locks);
        let times: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = rounds
                .iter()
                .map(|round| {
                    scope.spawn(|| {
                        gate.pass();
                        let start = Instant::now();
                        timed(Clock::Wall, round, |t| t.run_beside(target))?;
                        Ok((start, Instant::now()))
                    })
                })
                .collect();
            runs.into_iter()
                .map(|run| run.join().expect("a measuring thread ends"))
                .collect()
        });
        target.set_concurrent(false);
        let times = times.into_iter().collect::<Result<Vec<_>, BenchError>>()?;
        let first = times.iter().map(|(start, _)| *start).min();
        let last = times.iter().map(|(_, end)| *end).max();
        let span = first.zip(last).map(|(first, last)| last - first);
        Ok(span.unwrap_or_default().as_nanos() as f64)
    }

    /// A round of the first thread, each step timed on its own. False if it had none.
    fn single(&mut self, singles: &mut Vec<f64>) -> Result<bool, BenchError> {
        let round = self.works[0].round(Shape::Single);
        if round.timed.is_empty() {
            return Ok(false);
        }
        let per_step = round.ops as f64 / round.timed.len() as f64;
        singles.reserve(round.timed.len());
        self.before(&round)?;
        self.target.begin();
        match &round.timed {
            Timed::Steps(steps) => {
                for step in steps.iter() {
                    let start = Instant::now();
                    self.target.run(step)?;
                    singles.push(start.elapsed().as_nanos() as f64);
                }
            }
            Timed::Lookups(addresses) => {
                for address in addresses {
                    let start = Instant::now();
                    self.target.find_vmas(std::slice::from_ref(address))?;
                    singles.push(start.elapsed().as_nanos() as f64);
                }
            }
        }
        self.target.end();
        let first = singles.len() - round.timed.len();
        for time in &mut singles[first..] {
            *time = (*time - self.clock).max(0.0) / per_step;
        }
        run_all(&mut self.target, &round.after)?;
        Ok(true)
    }

    /// What must be there before a round is timed.
    ///
    /// # Errors
    /// If the target fails.
    pub fn before(&mut self, round: &Round) -> Result<(), BenchError> {
        if let Some(setup) = &round.fresh {
            self.target.fresh(setup)?;
        }
        run_all(&mut self.target, &round.before)?;
        Ok(())
    }

    /// What a single's time is too much: reading the clock, and for look-ups the way to the VMAs.
    fn clock_overhead(&self) -> Result<f64, BenchError> {
        let mut least = f64::MAX;
        for _ in 0..200 {
            let start = Instant::now();
            if self.workload == Workload::Lookup {
                let none: [VirtAddr; 0] = [];
                self.target.find_vmas(&none)?;
            }
            least = least.min(start.elapsed().as_nanos() as f64);
        }
        Ok(least)
    }
}

/// Lets threads through together. Who waits does not sleep: to wake up takes longer than many calls.
struct Gate {
    missing: AtomicUsize,
}

impl Gate {
    const fn new(threads: usize) -> Self {
        Self {
            missing: AtomicUsize::new(threads),
        }
    }

    fn pass(&self) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
        let mut turns = 0_u32;
        while self.missing.load(Ordering::Acquire) > 0 {
            turns += 1;
            if turns.is_multiple_of(1 << 12) {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// The time that a round takes, in nanoseconds.
fn timed(
    clock: Clock,
    round: &Round,
    run: impl FnOnce(&Timed) -> Result<Option<Failure>, BackendError>,
) -> Result<f64, BenchError> {
    let start = Stopwatch::start(clock);
    let failed = run(&round.timed)?;
    let time = start.nanoseconds();
    round.judge(failed)?;
    Ok(time)
}

/// Runs steps that must succeed.
fn run_checked<T: Target>(target: &mut T, steps: &[Step]) -> Result<(), BenchError> {
    Ok(run_all(target, steps)?.map_or(Ok(()), Err)?)
}
