//! `replay` and `mixed`: lists of calls, each on a new machine.

use std::sync::Arc;

use sim_core::{BackendError, Setup};
use sim_fork::new_machine;

use super::Work;
use crate::bench::{Round, Script, Shape, Step, Timed};
use crate::generate::{Generator, Mode};

/// Scripts by turns.
pub(super) struct Scripts {
    scripts: Arc<[Script]>,
    next: usize,
}

impl Scripts {
    pub(super) fn new(scripts: &Arc<[Script]>) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            next: 0,
        }
    }
}

impl Work for Scripts {
    fn round(&mut self, _shape: Shape) -> Round {
        let Some(script) = self.scripts.get(self.next) else {
            return Round::of(Vec::new());
        };
        self.next = (self.next + 1) % self.scripts.len();
        Round {
            fresh: Some(Arc::clone(&script.setup)),
            timed: Timed::Steps(Arc::clone(&script.steps)),
            ops: script.steps.len() as u64,
            strict: false,
            ..Round::of(Vec::new())
        }
    }
}

/// Runs of the fuzzer and calls of each.
const RUNS: u64 = 48;
const CALLS: usize = 200;

/// What the fuzzer would do from a seed, in the order in which it would.
///
/// # Errors
/// If no machine can be made.
pub fn mixed_scripts(kernel: &Setup, seed: u64) -> Result<Arc<[Script]>, BackendError> {
    (0..RUNS).map(|run| mixed(kernel, seed, run)).collect()
}

/// What comes next depends on what came out before, so the calls are run while they are chosen.
fn mixed(kernel: &Setup, seed: u64, run: u64) -> Result<Script, BackendError> {
    let mut generator = Generator::new(Mode::Mixed, seed.wrapping_mul(RUNS).wrapping_add(run));
    let mut setup = kernel.clone();
    generator.prepare(&mut setup);
    let mut machine = new_machine(&setup)?;
    let mut steps = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let (pid, call) = generator.next_call();
        if let Ok(outcome) = machine.call(pid, &call) {
            generator.observe(pid, &call, outcome);
            steps.push(Step::Call(pid, call));
        }
    }
    Ok(Script {
        setup: Arc::new(setup),
        steps: steps.into(),
    })
}
