//! Threads that make calls at the same time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use sim_core::{BackendError, Call, Outcome, Pid};
use sim_fork::SimBackend;

use super::Finding;

/// Threads that take longer hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call that was made: what it came to, and when, by a clock that all threads share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Timed {
    pub(super) outcome: Result<Outcome, BackendError>,
    pub(super) begin: u64,
    pub(super) end: u64,
}

type Machine = Arc<Box<dyn SimBackend>>;

/// What a thread is to do.
struct Job {
    machine: Machine,
    calls: Vec<(Pid, Call)>,
    gate: Arc<Gate>,
    seed: u64,
}

/// Lets all threads through at once, and gives them the time.
struct Gate {
    waiting: AtomicUsize,
    all: usize,
    clock: AtomicU64,
}

impl Gate {
    /// Waits without going to sleep: who sleeps comes late.
    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let mut turns = 0_u32;
        while self.waiting.load(Ordering::Acquire) < self.all {
            turns += 1;
            if turns.is_multiple_of(64) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// The machine afterwards, and the calls of each thread.
pub(super) type Ran = (Box<dyn SimBackend>, Vec<Vec<Timed>>);

type Ended = (usize, Result<Vec<Timed>, String>);

/// The threads. One that hangs is left behind.
pub(super) struct Pool {
    workers: Vec<Sender<Job>>,
    ended: Receiver<Ended>,
}

impl Pool {
    pub(super) fn new(threads: usize) -> Self {
        let (report, ended) = channel();
        let workers = (0..threads)
            .map(|number| {
                let (give, jobs) = channel();
                let report = report.clone();
                std::thread::spawn(move || work(number, &jobs, &report));
                give
            })
            .collect();
        Self { workers, ended }
    }

    /// Makes each list of calls on a thread.
    pub(super) fn run(
        &self,
        machine: Box<dyn SimBackend>,
        threads: &[Vec<(Pid, Call)>],
        seed: u64,
    ) -> Result<Ran, Finding> {
        machine.set_concurrent(true);
        let machine: Machine = Arc::new(machine);
        let gate = Arc::new(Gate {
            waiting: AtomicUsize::new(0),
            all: threads.len(),
            clock: AtomicU64::new(0),
        });
        for ((number, calls), worker) in threads.iter().enumerate().zip(&self.workers) {
            let job = Job {
                machine: Arc::clone(&machine),
                calls: calls.clone(),
                gate: Arc::clone(&gate),
                seed: seed ^ (number as u64 + 1),
            };
            worker.send(job).expect("workers wait for jobs");
        }
        let mut made = vec![Vec::new(); threads.len()];
        let mut panicked = None;
        for _ in threads {
            match self.ended.recv_timeout(PATIENCE) {
                Ok((number, Ok(calls))) => made[number] = calls,
                Ok((_, Err(why))) => panicked = Some(Finding::Broken(why)),
                // Who waits for a thread that panicked waits for ever.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(panicked.unwrap_or(Finding::Hang));
                }
            }
        }
        if let Some(finding) = panicked {
            return Err(finding);
        }
        let Ok(machine) = Arc::try_unwrap(machine) else {
            unreachable!("every worker dropped the machine before it reported")
        };
        machine.set_concurrent(false);
        Ok((machine, made))
    }
}

fn work(number: usize, jobs: &Receiver<Job>, report: &Sender<Ended>) {
    while let Ok(job) = jobs.recv() {
        let made = catch_unwind(AssertUnwindSafe(|| job.make()));
        drop(job);
        let made = made.unwrap_or_else(|panic| Err(super::text(&*panic)));
        if report.send((number, made)).is_err() {
            return;
        }
    }
}

impl Job {
    fn make(&self) -> Result<Vec<Timed>, String> {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let mut made = Vec::with_capacity(self.calls.len());
        self.gate.pass();
        for (pid, call) in &self.calls {
            hold_up(&mut rng);
            let begin = self.gate.now();
            let outcome = self.machine.run(*pid, call);
            let end = self.gate.now();
            if let Err(BackendError::Broken(why)) = outcome {
                return Err(why);
            }
            made.push(Timed {
                outcome,
                begin,
                end,
            });
        }
        Ok(made)
    }
}

fn hold_up(rng: &mut SmallRng) {
    match rng.random_range(0..16) {
        0..9 => {}
        9..15 => {
            for _ in 0..rng.random_range(0..400) {
                std::hint::spin_loop();
            }
        }
        _ => std::thread::yield_now(),
    }
}
