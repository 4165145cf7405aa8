//! `parallel`: an executor for each thread, and what they know in common afterwards.
//!
//! A thread starts with the names that were known before the block and learns those that it gives
//! itself. Numbers of children are set aside for each thread before any of them starts, so that they
//! do not depend on who forks first.

use super::{Executor, Frame, Pending};
use crate::scenario::{Op, Step};

impl<'s> Executor<'s> {
    /// The executors of a block's threads.
    pub(super) fn threads(&mut self, threads: &'s [Vec<Step>]) -> Vec<Self> {
        self.before_threads = Some(self.processes.clone());
        threads.iter().map(|steps| self.thread(steps)).collect()
    }

    fn thread(&mut self, steps: &'s [Step]) -> Self {
        let base = self.before_threads.as_ref().unwrap_or(&self.processes);
        let processes = base.numbering_like(&self.processes);
        self.processes.set_aside(steps_run(steps));
        Self {
            frames: vec![Frame {
                steps,
                next: 0,
                more_times: 0,
            }],
            processes,
            unknown_breaks: std::collections::VecDeque::new(),
            uses_relative_brk: self.uses_relative_brk,
            pending: Pending::Nothing,
            last_step: None,
            before_threads: None,
        }
    }

    /// A thread of the present block has come to its end: what it learnt is known from now on.
    pub fn joined(&mut self, thread: &Self) {
        let Some(before) = &self.before_threads else {
            return;
        };
        self.processes.learn(before, &thread.processes);
        if self.uses_relative_brk {
            let live = self.processes.all();
            self.unknown_breaks = live.collect();
        }
    }
}

/// How many steps a list comes to.
fn steps_run(steps: &[Step]) -> u32 {
    steps.iter().fold(0, |sum: u32, step| {
        sum.saturating_add(match &step.op {
            Op::Repeat { times, steps } => {
                let times = u32::try_from(*times).unwrap_or(u32::MAX);
                steps_run(steps).saturating_mul(times)
            }
            _ => 1,
        })
    })
}
