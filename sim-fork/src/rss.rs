//! Resident counters of an address space (`mm_struct.rss_stat`).

use sim_sync::Sharded;
use sim_sync::prim::atomic::{AtomicI64, Ordering::Relaxed};

/// What a resident page counts as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RssKind {
    /// `MM_ANONPAGES`.
    Anon,
    /// `MM_FILEPAGES`.
    File,
    /// `MM_SHMEMPAGES`.
    Shmem,
    /// `MM_SWAPENTS`.
    Swap,
}

/// The counters, in pages, summed up over threads (`percpu_counter`).
#[derive(Debug, Default)]
pub struct Rss {
    counters: Sharded<[AtomicI64; 4]>,
}

impl Rss {
    /// Adds pages, or takes them away.
    pub fn add(&self, kind: RssKind, pages: i64) {
        self.counters.mine()[kind as usize].fetch_add(pages, Relaxed);
    }

    /// Pages of a kind.
    pub fn get(&self, kind: RssKind) -> i64 {
        let counters = self.counters.iter();
        counters.map(|all| all[kind as usize].load(Relaxed)).sum()
    }

    /// Resident pages of all kinds (`VmRSS`).
    pub fn total(&self) -> i64 {
        self.get(RssKind::Anon) + self.get(RssKind::File) + self.get(RssKind::Shmem)
    }
}
