//! The machine itself under shuttle: real calls on threads whose every use of a lock or an atomic
//! is a point where another thread may go on.
//!
//! A test is a [`Check`]: a world that holds under every schedule tried, and mistakes each of which
//! some schedule notices. See docs/concurrency.md for what each proves. `VMSIM_SCHEDULES` multiplies
//! the schedules tried.

mod world;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};
use sim_sync::{Mutant, failure};

pub use world::{
    MAIN, World, advise, collapse, fork, map, map_file, protect, range, read, truncate, unmap,
    write,
};

/// A check over schedules, and the mistakes that it notices.
pub struct Check {
    /// What is run for each schedule.
    pub model: fn(),
    /// Mistakes with each of which some schedule fails.
    pub mutants: &'static [Mutant],
    /// Schedules of each kind that are tried.
    pub schedules: usize,
}

/// Where a thread is interrupted: anywhere, or at a few places with the other threads waiting.
const DEPTHS: [usize; 2] = [2, 3];
const SEED: u64 = 6_19;

fn factor() -> usize {
    let text = std::env::var("VMSIM_SCHEDULES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::None;
    config
}

impl Check {
    fn explore(&self) {
        let schedules = self.schedules * factor();
        let random = RandomScheduler::new_from_seed(SEED, schedules);
        Runner::new(random, config()).run(self.model);
        for depth in DEPTHS {
            let few = PctScheduler::new_from_seed(SEED, depth, schedules);
            Runner::new(few, config()).run(self.model);
        }
    }

    /// Checks that the model holds, and that it does not with any of the mistakes.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn run(&self) {
        self.explore();
        let missed = Mutant::unnoticed(self.mutants, || self.explore());
        assert!(missed.is_empty(), "not noticed: {missed:?}");
    }
}

/// Does `model` fail under some schedule? The message, if so.
pub fn finds(model: fn(), schedules: usize) -> Option<String> {
    let check = Check {
        model,
        mutants: &[],
        schedules,
    };
    failure(|| check.explore())
}
