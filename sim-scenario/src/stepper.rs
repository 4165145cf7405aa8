//! A scenario run step by step, by whoever wants to look at the back end in between.

use sim_core::{Backend, BackendError, Call, Pid};

use crate::executor::{Action, CallRole, Executor};
use crate::report::StepReport;
use crate::runner::{Observer, RunError, Unobserved};
use crate::scenario::{Scenario, Step};

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
}

impl<'s> Stepper<'s> {
    /// Before the first step.
    pub fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            executor: Executor::new(scenario),
        }
    }

    /// Runs the next step; `None` at the end.
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
        let mut made = None;
        while let Some(action) = self.executor.next_action() {
            let report = self.act(action, &mut made, backend, observer)?;
            if let Some(report) = report {
                return Ok(Some(Finished { report, call: made }));
            }
        }
        Ok(None)
    }

    /// The names of processes.
    pub const fn executor(&self) -> &Executor<'s> {
        &self.executor
    }

    /// What is run.
    pub const fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Does what the executor asks for; the report if a step has come to its end.
    fn act<B: Backend + ?Sized>(
        &mut self,
        action: Action<'s>,
        made: &mut Option<(Pid, Call)>,
        backend: &mut B,
        observer: &mut dyn Observer<B>,
    ) -> Result<Option<StepReport<'s>>, RunError> {
        let executor = &mut self.executor;
        match action {
            Action::Call(action) => {
                match action.role {
                    CallRole::Step => {
                        observer.before_step(action.step, action.pid, backend);
                        *made = Some((action.pid, action.call.clone()));
                    }
                    CallRole::Helper => {}
                }
                match backend.call(action.pid, &action.call) {
                    Ok(outcome) => Ok(executor.answer(outcome)),
                    Err(BackendError::NoSuchProcess(_)) => Ok(Some(executor.process_is_gone())),
                    Err(error) => Err(self.failed(action.step, error)),
                }
            }
            Action::Check(action) => {
                observer.before_step(action.step, action.pid, backend);
                match crate::check::evaluate(&action, executor, backend) {
                    Ok(failures) => Ok(Some(executor.checked(&action, failures))),
                    Err(BackendError::NoSuchProcess(_)) => Ok(Some(executor.process_is_gone())),
                    Err(error) => Err(self.failed(action.step, error)),
                }
            }
            Action::NotRun(report) => Ok(Some(report)),
        }
    }

    fn failed(&self, step: &Step, error: BackendError) -> RunError {
        RunError {
            at: Some((self.scenario.source.place(step.span), step.op.name())),
            file: self.scenario.source.name().to_owned(),
            error,
        }
    }
}
