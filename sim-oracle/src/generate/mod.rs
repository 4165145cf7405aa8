//! Random sequences of calls: a seed gives a setup and a list of calls.
//!
//! A run lives in a small arena, so that calls meet; ranges begin and end where others did. Each
//! run draws its own weights for the operations of its mode (swarm testing), so that some runs do
//! a few things a lot.

mod args;
mod calls;
mod mode;
mod odd;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sim_core::{Call, Outcome, Pid, Setup};

use args::Args;
pub use mode::Mode;
use mode::Op;

/// At most so many processes live at a time.
const MOST_PROCESSES: usize = 4;

/// A source of calls.
#[derive(Debug)]
pub struct Generator {
    args: Args,
    mode: Mode,
    variant: usize,
    weights: Vec<(Op, u32)>,
    processes: Vec<Pid>,
    next_pid: u32,
    /// Calls to begin with, the last one first.
    prologue: Vec<Call>,
}

impl Generator {
    /// The generator of a run. A mixed run becomes one of a single mode, which its setup is made for.
    pub fn new(mode: Mode, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mode = if mode == Mode::Mixed {
            *Mode::SINGLE.choose(&mut rng).expect("there are modes")
        } else {
            mode
        };
        let weights = swarm(mode, &mut rng);
        let several = [
            Mode::Wild,
            Mode::Uffd,
            Mode::Huge,
            Mode::HugeParts,
            Mode::Limits,
        ];
        let variant = if several.contains(&mode) {
            rng.random_range(0..6)
        } else {
            0
        };
        let arena = mode::place(mode, &mut rng);
        Self {
            variant,
            args: Args::new(rng, arena),
            mode,
            weights,
            processes: vec![Pid::MAIN],
            next_pid: 1,
            prologue: mode::prologue(mode, variant).into_iter().rev().collect(),
        }
    }

    /// The mode of this run.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Makes a setup what this run needs: files and limits.
    pub fn prepare(&self, setup: &mut Setup) {
        mode::prepare(self.mode, self.variant, setup);
    }

    /// The next call.
    pub fn next_call(&mut self) -> (Pid, Call) {
        if let Some(call) = self.prologue.pop() {
            return (Pid::MAIN, call);
        }
        let pid = self.args.choose(&self.processes);
        let op = self.draw();
        let call = calls::call(self, op);
        (pid, call)
    }

    /// Tells what a call came to, so that later ones can build on it.
    pub fn observe(&mut self, pid: Pid, call: &Call, outcome: Outcome) {
        let Outcome::Value(value) = outcome else {
            return;
        };
        match call {
            Call::Mmap(args) => {
                self.args.remember(value);
                self.args.remember(value.saturating_add(args.len.get()));
            }
            Call::Mremap(args) => {
                self.args.remember(value);
                self.args.remember(value.saturating_add(args.new_len.get()));
            }
            Call::Brk(_) => self.args.remember(value),
            Call::Fork { child, .. } => {
                self.processes.push(*child);
                self.next_pid += 1;
            }
            Call::Exit => self.processes.retain(|p| *p != pid),
            _ => {}
        }
    }

    fn draw(&mut self) -> Op {
        let (least, most) = (
            self.processes.len() > 1,
            self.processes.len() < MOST_PROCESSES,
        );
        let possible: Vec<_> = self
            .weights
            .iter()
            .filter(|(op, _)| match op {
                Op::Exit => least,
                Op::Fork | Op::Clone => most,
                _ => true,
            })
            .collect();
        let total: u32 = possible.iter().map(|(_, weight)| weight).sum();
        let mut at = self.args.rng.random_range(0..total);
        for (op, weight) in possible {
            if at < *weight {
                return *op;
            }
            at -= weight;
        }
        Op::Mmap
    }
}

/// The seed of a run (splitmix64 of both numbers).
pub const fn run_seed(seed: u64, run: u64) -> u64 {
    let mut z = seed.wrapping_add(run.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A mode's weights, distorted for one run.
fn swarm(mode: Mode, rng: &mut SmallRng) -> Vec<(Op, u32)> {
    let mut weights = mode::weights(mode);
    for (op, weight) in &mut weights {
        let factor = *[0, 1, 1, 2, 2, 4].choose(rng).expect("not empty");
        *weight = (*weight * factor).max(u32::from(*op == Op::Mmap));
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::{Generator, Mode};
    use sim_core::Outcome;

    #[test]
    fn same_seed_same_calls() {
        let calls = |seed| {
            let mut generator = Generator::new(Mode::Mixed, seed);
            (0..200)
                .map(|_| {
                    let (pid, call) = generator.next_call();
                    generator.observe(pid, &call, Outcome::OK);
                    (pid, call)
                })
                .collect::<Vec<_>>()
        };
        for seed in 0..200 {
            assert_eq!(calls(seed), calls(seed));
        }
        assert_ne!(calls(1), calls(2));
    }
}
