//! New pages that are not on a list yet.
//!
//! They are many, and little is wanted of them: which they are, until a batch is full. So this batch
//! takes no lock and no references; a page that is freed meanwhile is another one when it comes back.

use sim_sync::prim::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use sim_pagetable::{FrameFlags, Frames, Pfn};

use super::BATCH;

/// The batch of added pages (`lru_add`).
#[derive(Debug, Default)]
pub(super) struct Added {
    count: AtomicUsize,
    pages: [AtomicU64; BATCH],
}

impl Added {
    /// Adds a page; one too many empties the batch.
    #[inline]
    pub(super) fn push(&self, frames: &Frames, pfn: Pfn) {
        let count = self.count.load(Relaxed);
        self.pages[count].store(pfn.get(), Relaxed);
        self.count.store(count + 1, Relaxed);
        if count + 1 == BATCH {
            self.flush(frames);
        }
    }

    /// Does the page wait?
    pub(super) fn contains(&self, pfn: Pfn) -> bool {
        self.waiting().any(|waiting| waiting == pfn)
    }

    fn waiting(&self) -> impl Iterator<Item = Pfn> {
        let pages = &self.pages[..self.count.load(Relaxed)];
        pages.iter().map(|page| Pfn::new(page.load(Relaxed)))
    }

    /// Puts the pages on their lists; those that are locked in memory on one of their own
    /// (`lru_add()`).
    pub(super) fn flush(&self, frames: &Frames) {
        if self.count.load(Relaxed) == 0 {
            return;
        }
        for pfn in self.waiting() {
            let meta = frames.meta(pfn);
            if meta.has(FrameFlags::MLOCKED) {
                meta.clear_flags(FrameFlags::ACTIVE);
                meta.set_flags(FrameFlags::UNEVICTABLE);
            }
        }
        self.count.store(0, Relaxed);
    }
}
