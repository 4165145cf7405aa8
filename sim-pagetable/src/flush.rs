//! TLB accounting: what would have been flushed.

use sim_sync::prim::atomic::{AtomicU64, Ordering::Relaxed};

use crate::VaRange;
use crate::addr::PAGE_SIZE;

/// The obligation to flush stale translations of a range, left by an operation that took rights
/// or pages away. [`Flush::now`] pays it, [`Flush::batched`] hands it to a larger flush.
#[must_use = "stale translations stay in the TLB until `now` or `batched` is called"]
#[derive(Debug)]
pub struct Flush {
    range: Option<VaRange>,
    table_freed: bool,
}

impl Flush {
    /// Nothing to flush.
    pub const fn none() -> Self {
        Self {
            range: None,
            table_freed: false,
        }
    }

    /// `range` is to be flushed.
    pub fn of(range: VaRange) -> Self {
        Self {
            range: (!range.is_empty()).then_some(range),
            table_freed: false,
        }
    }

    /// Marks that tables were freed, so that walk caches are stale too.
    pub(crate) fn with_tables_freed(mut self, freed: bool) -> Self {
        self.table_freed |= freed;
        self
    }

    /// What is to be flushed.
    pub const fn range(&self) -> Option<VaRange> {
        self.range
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "an obligation is consumed, not copied"
    )]
    /// Joins two obligations into one that spans both (`mmu_gather`).
    pub fn join(self, other: Self) -> Self {
        let range = match (self.range, other.range) {
            (Some(a), Some(b)) => {
                Some(VaRange::new(a.start().min(b.start()), a.end().max(b.end())))
            }
            (a, b) => a.or(b),
        };
        Self {
            range,
            table_freed: self.table_freed || other.table_freed,
        }
    }

    /// Flushes, counting in `stats`. Ranges above `ceiling` pages flush everything, as both
    /// architectures do.
    pub fn now(self, stats: &FlushStats, ceiling: u64) {
        let Some(range) = self.range else {
            if self.table_freed {
                stats.full.fetch_add(1, Relaxed);
            }
            return;
        };
        stats.flushes.fetch_add(1, Relaxed);
        let pages = (range.end().get() - range.start().get()) / PAGE_SIZE;
        if pages > ceiling {
            stats.full.fetch_add(1, Relaxed);
        } else {
            stats.pages.fetch_add(pages, Relaxed);
        }
    }

    /// Consumes the obligation: the caller flushes a larger range later, or nobody can have the
    /// translation.
    pub fn batched(self) {}
}

/// Counts of flushes of an address space.
#[derive(Debug, Default)]
pub struct FlushStats {
    pub(crate) flushes: AtomicU64,
    pub(crate) pages: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) break_before_make: AtomicU64,
}

impl FlushStats {
    /// Flush operations.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Relaxed)
    }

    /// Pages flushed one by one.
    pub fn pages(&self) -> u64 {
        self.pages.load(Relaxed)
    }

    /// Flushes of the whole address space.
    pub fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }

    /// Live entries replaced by way of an invalid one (arm64).
    pub fn break_before_make(&self) -> u64 {
        self.break_before_make.load(Relaxed)
    }
}
