//! A scenario run step by step, by whoever wants to look at the back end in between.

use std::collections::VecDeque;

use rand::Rng;
use sim_core::{Backend, BackendError, Call, Pid};

use crate::executor::{Action, CallRole, Executor};
use crate::parallel;
use crate::report::StepReport;
use crate::runner::{Observer, RunError, Unobserved};
use crate::scenario::{Scenario, Step};
use crate::schedule::{Schedule, chooser};

/// A step that has run.
#[derive(Clone, Debug)]
pub struct Finished<'s> {
    /// What it came to.
    pub report: StepReport<'s>,
    /// Its process and call, if it made one.
    pub call: Option<(Pid, Call)>,
}

/// Runs a scenario on a back end, a step at a time.
#[derive(Clone, Debug)]
pub struct Stepper<'s> {
    scenario: &'s Scenario,
    executor: Executor<'s>,
    schedule: Schedule,
    /// How many `parallel` blocks have begun.
    blocks: u64,
    /// Threads of the present block that have not ended, if they run one after another.
    in_turn: VecDeque<Executor<'s>>,
    /// Steps of a block that has run.
    finished: VecDeque<Finished<'s>>,
}

/// What came after some actions.
enum Came<'s> {
    /// A step to its end.
    Step(Finished<'s>),
    /// A block of threads.
    Block(Vec<Executor<'s>>),
    /// The end.
    End,
}

impl<'s> Stepper<'s> {
    /// Before the first step. Threads run one after another.
    pub fn new(scenario: &'s Scenario) -> Self {
        Self::scheduled(scenario, Schedule::InOrder)
    }

    /// Before the first step, for a schedule of the threads.
    pub fn scheduled(scenario: &'s Scenario, schedule: Schedule) -> Self {
        Self {
            scenario,
            executor: Executor::new(scenario),
            schedule,
            blocks: 0,
            in_turn: VecDeque::new(),
            finished: VecDeque::new(),
        }
    }

    /// Runs the next step; `None` at the end.
    ///
    /// Unless threads run one after another, a block of them runs as a whole, and its steps then
    /// come thread by thread.
    ///
    /// # Errors
    /// If the back end itself cannot go on; nothing that the scenario does is an error.
    pub fn step<B: Backend + ?Sized>(
        &mut self,
        backend: &mut B,
    ) -> Result<Option<Finished<'s>>, RunError> {
        self.step_observed(backend, &mut Unobserved)
    }

    /// The same, watched.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_observed<B: Backend + ?Sized>(
        &mut self,
        backend: &mut B,
        observer: &mut dyn Observer<B>,
    ) -> Result<Option<Finished<'s>>, RunError> {
        loop {
            if let Some(finished) = self.finished.pop_front() {
                return Ok(Some(finished));
            }
            let walker = Walker(self.scenario);
            if let Some(thread) = self.in_turn.front_mut() {
                match walker.go_on(thread, backend, observer)? {
                    Came::Step(finished) => return Ok(Some(finished)),
                    Came::Block(_) => unreachable!("`parallel` in a thread is not run"),
                    Came::End => {
                        self.executor.joined(thread);
                        self.in_turn.pop_front();
                    }
                }
                continue;
            }
            match walker.go_on(&mut self.executor, backend, observer)? {
                Came::Step(finished) => return Ok(Some(finished)),
                Came::Block(threads) => self.block(threads, backend, observer)?,
                Came::End => return Ok(None),
            }
        }
    }

    /// The names of processes and ranges, but for those that only a thread knows.
    pub const fn executor(&self) -> &Executor<'s> {
        &self.executor
    }

    /// The name of a live process.
    pub fn process_name(&self, pid: Pid) -> Option<&'s str> {
        let threads = self.in_turn.front().into_iter();
        let mut all = threads.chain(std::iter::once(&self.executor));
        all.find_map(|executor| executor.process_name(pid))
    }

    /// What is run.
    pub const fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Runs the threads of a block, or makes them the next to be run.
    fn block<B: Backend + ?Sized>(
        &mut self,
        threads: Vec<Executor<'s>>,
        backend: &mut B,
        observer: &mut dyn Observer<B>,
    ) -> Result<(), RunError> {
        let block = self.blocks;
        self.blocks += 1;
        let walker = Walker(self.scenario);
        let ran = match self.schedule {
            Schedule::InOrder => {
                self.in_turn = threads.into();
                return Ok(());
            }
            Schedule::Stepwise(seed) => {
                walker.stepwise(threads, backend, observer, (seed, block))?
            }
            Schedule::Threads(seed) => {
                let Some(concurrent) = backend.concurrent() else {
                    return Err(walker.no_threads());
                };
                parallel::run(threads, concurrent, (seed, block))
                    .map_err(|(step, error)| walker.failed(step, error))?
            }
        };
        for (thread, finished) in ran {
            self.executor.joined(&thread);
            self.finished.extend(finished);
        }
        Ok(())
    }
}

/// Does what executors ask for.
#[derive(Clone, Copy)]
struct Walker<'s>(&'s Scenario);

impl<'s> Walker<'s> {
    /// To the end of the next step.
    fn go_on<B: Backend + ?Sized>(
        self,
        executor: &mut Executor<'s>,
        backend: &mut B,
        observer: &mut dyn Observer<B>,
    ) -> Result<Came<'s>, RunError> {
        let mut made = None;
        while let Some(action) = executor.next_action() {
            let report = match action {
                Action::Parallel(threads) => return Ok(Came::Block(threads)),
                Action::NotRun(report) => Some(report),
                Action::Call(action) => {
                    if action.role == CallRole::Step {
                        observer.before_step(action.step, action.pid, backend);
                        made = Some((action.pid, action.call.clone()));
                    }
                    match backend.call(action.pid, &action.call) {
                        Ok(outcome) => executor.answer(outcome),
                        Err(BackendError::NoSuchProcess(_)) => Some(executor.process_is_gone()),
                        Err(error) => return Err(self.failed(action.step, error)),
                    }
                }
                Action::Check(action) => {
                    observer.before_step(action.step, action.pid, backend);
                    match crate::check::evaluate(&action, executor, backend) {
                        Ok(failures) => Some(executor.checked(&action, failures)),
                        Err(BackendError::NoSuchProcess(_)) => Some(executor.process_is_gone()),
                        Err(error) => return Err(self.failed(action.step, error)),
                    }
                }
            };
            if let Some(report) = report {
                return Ok(Came::Step(Finished { report, call: made }));
            }
        }
        Ok(Came::End)
    }

    /// One step at a time, each of a thread that the seed chooses.
    fn stepwise<B: Backend + ?Sized>(
        self,
        mut threads: Vec<Executor<'s>>,
        backend: &mut B,
        observer: &mut dyn Observer<B>,
        (seed, block): (u64, u64),
    ) -> Result<Vec<parallel::Ran<'s>>, RunError> {
        let mut rng = chooser(seed, block, 0);
        let mut finished = vec![Vec::new(); threads.len()];
        let mut running: Vec<_> = (0..threads.len()).collect();
        while !running.is_empty() {
            let chosen = rng.random_range(0..running.len());
            let thread = running[chosen];
            match self.go_on(&mut threads[thread], backend, observer)? {
                Came::Step(step) => finished[thread].push(step),
                Came::Block(_) => unreachable!("`parallel` in a thread is not run"),
                Came::End => drop(running.remove(chosen)),
            }
        }
        Ok(threads.into_iter().zip(finished).collect())
    }

    fn failed(self, step: &Step, error: BackendError) -> RunError {
        let Self(scenario) = self;
        RunError {
            at: Some((scenario.source.place(step.span), step.op.name())),
            file: scenario.source.name().to_owned(),
            error,
        }
    }

    fn no_threads(self) -> RunError {
        RunError {
            at: None,
            file: self.0.source.name().to_owned(),
            error: BackendError::NotSupported("this back end serves one thread only".to_owned()),
        }
    }
}
