//! In which order the threads of `parallel` run.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// How the threads of a scenario's `parallel` blocks take turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// One thread after another, in the order in which they are written.
    InOrder,
    /// A step at a time, each of a thread that the seed chooses: always the same order.
    Stepwise(u64),
    /// At the same time, on threads of the operating system, which start together and are held up
    /// between steps as the seed says.
    Threads(u64),
}

/// The schedules under which a scenario with `parallel` runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedules {
    /// What all of them are made from.
    pub seed: u64,
    /// How many there are after the first one, in which the threads run one after another.
    pub count: u32,
}

impl Schedules {
    /// A schedule by its number: 0 is in order; then one in four goes stepwise, the others are real
    /// threads.
    pub const fn nth(self, number: u32) -> Schedule {
        let seed = self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match number {
            0 => Schedule::InOrder,
            number if number.is_multiple_of(4) => Schedule::Stepwise(seed),
            _ => Schedule::Threads(seed),
        }
    }
}

impl Schedule {
    /// What it is, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InOrder => "one thread after another",
            Self::Stepwise(_) => "step by step in a random order",
            Self::Threads(_) => "at the same time",
        }
    }
}

/// What chooses for one block, or for one of its threads.
pub(crate) fn chooser(seed: u64, block: u64, thread: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ (block << 32) ^ thread.wrapping_add(1))
}

/// Holds a thread up for a while, or not.
pub(crate) fn hold_up(rng: &mut SmallRng) {
    match rng.random_range(0..8) {
        0..4 => {}
        4 | 5 => std::thread::yield_now(),
        6 => {
            for _ in 0..rng.random_range(0..2000) {
                std::hint::spin_loop();
            }
        }
        _ => std::thread::sleep(Duration::from_micros(rng.random_range(0..40))),
    }
}
