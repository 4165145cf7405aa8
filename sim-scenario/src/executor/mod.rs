//! Walks a scenario step by step: says what to do next, and is told what it came to.
//!
//! An executor holds no back end, so that one scenario can drive two of them in lockstep: ask
//! [`Executor::next_action`], run the call on both, and give the outcome of the one that leads to
//! [`Executor::answer`]. Names of ranges and processes are resolved on the way.

mod block;
mod calls;
mod judge;
mod processes;
mod values;

use std::collections::VecDeque;

use sim_core::{Call, Outcome, Pid, SyscallRange, VirtAddr};

use crate::report::{Failure, StepReport, StepResult};
use crate::scenario::{Check, Op, RangeExpr, Scenario, Step};
use processes::Processes;
use values::PagesLeft;

/// What is to be done next.
#[derive(Clone, Debug)]
pub enum Action<'s> {
    /// Run a call and [`answer`](Executor::answer).
    Call(CallAction<'s>),
    /// Compare the state with what is asserted about it.
    Check(CheckAction<'s>),
    /// Nothing: the step cannot be run, and its report says why.
    NotRun(StepReport<'s>),
    /// Walk each of these to its end, in any order or at the same time, and hand each back to
    /// [`joined`](Executor::joined).
    Parallel(Vec<Executor<'s>>),
}

/// A call to run.
#[derive(Clone, Debug)]
pub struct CallAction<'s> {
    /// The step it belongs to.
    pub step: &'s Step,
    /// The process.
    pub pid: Pid,
    /// The call.
    pub call: Call,
    /// Whether it is the step's own.
    pub role: CallRole,
}

/// What a call is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallRole {
    /// It is what the step says.
    Step,
    /// It finds something out for the step: the present break, a page's content.
    Helper,
}

/// A check to make.
#[derive(Clone, Copy, Debug)]
pub struct CheckAction<'s> {
    /// The step.
    pub step: &'s Step,
    /// The process.
    pub pid: Pid,
    /// What is asserted.
    pub check: &'s Check,
}

/// The steps of a block, and how often they are still to be run.
#[derive(Clone, Debug)]
struct Frame<'s> {
    steps: &'s [Step],
    next: usize,
    more_times: u64,
}

/// The call that is out.
#[derive(Clone, Debug)]
enum Pending<'s> {
    Nothing,
    Break {
        pid: Pid,
    },
    Step {
        step: &'s Step,
        pid: Pid,
        call: Call,
    },
    Pages(PagesLeft<'s>),
}

/// Walks a scenario.
#[derive(Clone, Debug)]
pub struct Executor<'s> {
    frames: Vec<Frame<'s>>,
    processes: Processes<'s>,
    /// Processes whose break must be asked for, since a `brk` is relative to it.
    unknown_breaks: VecDeque<Pid>,
    uses_relative_brk: bool,
    pending: Pending<'s>,
    last_step: Option<&'s Step>,
    /// What was known when the threads of the present block started.
    before_threads: Option<Processes<'s>>,
}

impl<'s> Executor<'s> {
    /// Before the first step.
    pub fn new(scenario: &'s Scenario) -> Self {
        let uses_relative_brk = calls::uses_relative_brk(&scenario.steps);
        Self {
            frames: vec![Frame {
                steps: &scenario.steps,
                next: 0,
                more_times: 0,
            }],
            processes: Processes::new(),
            unknown_breaks: uses_relative_brk.then_some(Pid::MAIN).into_iter().collect(),
            uses_relative_brk,
            pending: Pending::Nothing,
            last_step: None,
            before_threads: None,
        }
    }

    /// What is to be done next; `None` at the end.
    ///
    /// # Panics
    /// If the last call has not been answered.
    pub fn next_action(&mut self) -> Option<Action<'s>> {
        if let Pending::Pages(pages) = &self.pending {
            return Some(Action::Call(pages.look()));
        }
        assert!(
            matches!(self.pending, Pending::Nothing),
            "a call is out: answer it first"
        );
        let step = self.next_step()?;
        if let Some(pid) = self.unknown_breaks.pop_front() {
            self.step_back();
            self.pending = Pending::Break { pid };
            return Some(Action::Call(CallAction {
                step,
                pid,
                call: Call::Brk(VirtAddr::ZERO),
                role: CallRole::Helper,
            }));
        }
        self.last_step = Some(step);
        Some(self.start(step))
    }

    /// Tells what the call that is out came to; the step's report if it has come to its end.
    ///
    /// # Panics
    /// If no call is out.
    pub fn answer(&mut self, outcome: Outcome) -> Option<StepReport<'s>> {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => panic!("no call is out"),
            Pending::Break { pid } => {
                if let Outcome::Value(value) = outcome {
                    self.processes.set_break(pid, VirtAddr::new(value));
                }
                None
            }
            Pending::Step { step, pid, call } => self.step_done(step, pid, &call, outcome),
            Pending::Pages(mut pages) => {
                pages.seen(outcome);
                if pages.is_done() {
                    return Some(self.values_seen(&pages));
                }
                self.pending = Pending::Pages(pages);
                None
            }
        }
    }

    /// Tells that the process of the action that is out no longer exists.
    pub fn process_is_gone(&mut self) -> StepReport<'s> {
        let step = self.last_step.expect("an action is out");
        self.pending = Pending::Nothing;
        if let Some(pid) = self.processes.find(&step.process) {
            self.processes.remove(pid);
        }
        not_run(step, format!("process `{}` is gone", step.process))
    }

    /// The report of a check that was made.
    pub fn checked(&self, action: &CheckAction<'s>, failures: Vec<Failure>) -> StepReport<'s> {
        StepReport {
            step: action.step,
            result: StepResult::Checked,
            failures,
        }
    }

    /// The name of a live process.
    pub fn process_name(&self, pid: Pid) -> Option<&'s str> {
        self.processes.name(pid)
    }

    /// The live process with this name.
    pub fn process(&self, name: &str) -> Option<Pid> {
        self.processes.find(name)
    }

    /// The addresses of a range in a process.
    ///
    /// # Errors
    /// Why it has none, for people.
    pub fn resolve(&self, pid: Pid, range: &RangeExpr) -> Result<SyscallRange, String> {
        self.processes.resolve(pid, range)
    }

    fn next_step(&mut self) -> Option<&'s Step> {
        loop {
            let frame = self.frames.last_mut()?;
            let Some(step) = frame.steps.get(frame.next) else {
                if frame.more_times > 0 {
                    frame.more_times -= 1;
                    frame.next = 0;
                } else {
                    self.frames.pop();
                }
                continue;
            };
            frame.next += 1;
            match &step.op {
                Op::Repeat { times, steps } => self.enter(steps, *times),
                _ => return Some(step),
            }
        }
    }

    fn enter(&mut self, steps: &'s [Step], times: u64) {
        if times > 0 && !steps.is_empty() {
            self.frames.push(Frame {
                steps,
                next: 0,
                more_times: times - 1,
            });
        }
    }

    /// Takes back the step that [`next_step`](Self::next_step) gave.
    fn step_back(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.next -= 1;
        }
    }

    fn start(&mut self, step: &'s Step) -> Action<'s> {
        if let Op::Parallel { threads } = &step.op {
            return Action::Parallel(self.threads(threads));
        }
        let Some(pid) = self.processes.find(&step.process) else {
            let why = format!("there is no process `{}` at this point", step.process);
            return Action::NotRun(not_run(step, why));
        };
        if let Op::Check(check) = &step.op {
            return Action::Check(CheckAction { step, pid, check });
        }
        match calls::call_of(step, pid, &mut self.processes) {
            Ok(call) => {
                self.pending = Pending::Step {
                    step,
                    pid,
                    call: call.clone(),
                };
                Action::Call(CallAction {
                    step,
                    pid,
                    call,
                    role: CallRole::Step,
                })
            }
            Err(why) => Action::NotRun(not_run(step, why)),
        }
    }

    fn step_done(
        &mut self,
        step: &'s Step,
        pid: Pid,
        call: &Call,
        outcome: Outcome,
    ) -> Option<StepReport<'s>> {
        calls::note_effects(step, pid, call, outcome, &mut self.processes);
        if self.uses_relative_brk
            && matches!((call, outcome), (Call::Execve { .. }, Outcome::Value(_)))
        {
            self.unknown_breaks.push_back(pid);
        }
        if let Some(pages) = PagesLeft::after(step, pid, call, outcome) {
            self.pending = Pending::Pages(pages);
            return None;
        }
        Some(self.judged(step, pid, call, outcome))
    }

    fn values_seen(&self, pages: &PagesLeft<'s>) -> StepReport<'s> {
        let mut report = self.judged(pages.step, pages.pid, &pages.call, pages.outcome);
        report.failures.extend(pages.failure());
        report
    }

    fn judged(&self, step: &'s Step, pid: Pid, call: &Call, outcome: Outcome) -> StepReport<'s> {
        let address = |range: &RangeExpr| self.resolve(pid, range).map(|range| range.addr.get());
        let failure = judge::judge(&step.expect.value, call, outcome, address);
        StepReport {
            step,
            result: StepResult::Call(outcome),
            failures: failure
                .map(|cause| Failure {
                    span: step.expect.span,
                    cause,
                })
                .into_iter()
                .collect(),
        }
    }
}

fn not_run(step: &Step, why: String) -> StepReport<'_> {
    StepReport {
        step,
        result: StepResult::NotRun,
        failures: vec![Failure {
            span: step.span,
            cause: why,
        }],
    }
}
