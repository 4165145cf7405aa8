//! The workloads: what is done before, in each round, and afterwards.

mod brk;
mod fork;
mod guard;
mod lookup;
mod map;
mod pages;
mod protect;
mod scripts;

use rand::rngs::SmallRng;
use rand::seq::index;
use rand::{Rng as _, SeedableRng as _};

use super::arena::Arena;
use super::{Round, Shape, Spec, Step, Workload};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) use brk::lower_break;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) use map::MOST_UNMAPPED;
pub use scripts::mixed_scripts;

/// Calls of a round, where the workload does not say otherwise.
const BATCH: u64 = 1024;

/// So many times as many if threads are measured: what it takes to start them together, and to fetch
/// the round from where it was made, must not count.
const LONGER: u64 = 64;

/// A workload under way.
pub(super) trait Work: Send {
    /// What must be there before the first round.
    fn prepare(&mut self) -> Vec<Step> {
        Vec::new()
    }

    /// The next round.
    fn round(&mut self, shape: Shape) -> Round;
}

/// One thread's part of a workload.
#[derive(Debug)]
pub(super) struct Part {
    arena: Arena,
    vmas: u64,
    pages: u64,
    /// Calls of a round.
    batch: u64,
    random: SmallRng,
}

impl Part {
    fn of(spec: &Spec, thread: usize) -> Self {
        let threads = spec.threads as u64;
        Self {
            arena: Arena::of_thread(thread),
            vmas: (spec.vmas / threads).max(1),
            pages: (spec.pages.get() / threads).max(1),
            batch: if spec.by_wall() {
                BATCH * LONGER
            } else {
                BATCH
            },
            random: SmallRng::seed_from_u64(spec.seed.wrapping_mul(1_000_003) + thread as u64),
        }
    }

    /// A random VMA.
    fn any(&mut self) -> u64 {
        self.random.random_range(0..self.vmas)
    }

    /// So many different numbers below `of` (or as many as there are), in random order.
    fn some(&mut self, of: u64, most: u64) -> Vec<u64> {
        let amount = most.min(of) as usize;
        let chosen = index::sample(&mut self.random, of as usize, amount);
        chosen.into_iter().map(|number| number as u64).collect()
    }
}

/// A workload's parts, one for each thread.
pub(super) fn parts(spec: &Spec) -> Vec<Box<dyn Work>> {
    (0..spec.threads)
        .map(|thread| start(spec, Part::of(spec, thread)))
        .collect()
}

fn start(spec: &Spec, part: Part) -> Box<dyn Work> {
    match spec.workload {
        Workload::Lookup => Box::new(lookup::Lookup(part)),
        Workload::MprotectSplitMerge => Box::new(protect::SplitMerge(part)),
        Workload::MergeRefused => Box::new(protect::Refused::new(part)),
        Workload::AppendMerge => Box::new(map::Append(part)),
        Workload::HoleFill => Box::new(map::HoleFill(part)),
        Workload::Link => Box::new(map::Link(part)),
        Workload::Unmap => Box::new(map::Unmap(part)),
        Workload::GuardInstall => Box::new(guard::Install(part)),
        Workload::Fault => Box::new(pages::FirstWrite(part)),
        Workload::Collapse => Box::new(pages::Collapse(part)),
        Workload::Brk => Box::new(brk::UpAndDown(part)),
        Workload::Fork => Box::new(fork::WithPages(part)),
        Workload::ForkVmas => Box::new(fork::WithVmas(part)),
        Workload::Replay | Workload::Mixed => Box::new(scripts::Scripts::new(&spec.scripts)),
    }
}
