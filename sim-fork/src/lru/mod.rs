//! Per-CPU batches: pages wait in them before what is wanted of them happens on the reclaim lists
//! (`mm/swap.c`, `mm/mlock.c`, 6.18). There is one simulated CPU.
//!
//! ```text
//!   new page ──▶ added ─────────▶ on a list
//!   MADV_FREE ─▶ lazy ──────────▶ no longer swap-backed
//!   accessed ──▶ activated ─────▶ active              when a batch is full (31 pages; a large
//!   MADV_COLD ─▶ deactivated ───▶ inactive            folio fills it), or all are drained
//!   mlock ─────▶ mlocked ───────▶ unevictable, or no longer
//! ```
//!
//! It shows in `LazyFree` and `Referenced` of smaps, and in the references that batches hold:
//! copy-on-write does not reuse a page that somebody else refers to.
//!
//! With several threads there are no batches: all happens at once. DEVIATION: on Linux each CPU has its
//! batches, and other programs fill and drain them too.

mod added;
mod mlock;

use sim_sync::prim::atomic::{AtomicBool, Ordering::Relaxed};

use sim_pagetable::{FrameFlags, Frames, Pfn};
use sim_sync::{Mutex, class};

use self::added::Added;
use self::mlock::Mlock;
pub(crate) use self::mlock::is_locked;

/// Folios in a batch (`PAGEVEC_SIZE`).
const BATCH: usize = 31;

/// The batches of the CPU (`struct cpu_fbatches`, `struct mlock_fbatch`).
#[derive(Debug, Default)]
pub(crate) struct Lru {
    added: Added,
    waiting: Mutex<Waiting, class::Lru>,
    /// Something waits, of whatever kind but added pages.
    pending: AtomicBool,
}

/// Pages that wait; the batch refers to each of them.
#[derive(Debug, Default)]
struct Waiting {
    activated: Vec<Pfn>,
    deactivated: Vec<Pfn>,
    lazy: Vec<Pfn>,
    mlocked: Vec<(Pfn, Mlock)>,
}

/// What is wanted of a page on a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Activate,
    Deactivate,
    LazyFree,
}

impl Waiting {
    fn batch(&mut self, what: Move) -> &mut Vec<Pfn> {
        match what {
            Move::Activate => &mut self.activated,
            Move::Deactivate => &mut self.deactivated,
            Move::LazyFree => &mut self.lazy,
        }
    }
}

impl Lru {
    /// A new page is to be put on a list (`folio_add_lru()`).
    #[inline]
    pub(crate) fn add(&self, frames: &Frames, pfn: Pfn) {
        if !frames.concurrent() {
            self.added.push(frames, pfn);
        }
    }

    /// A new huge page is put on a list, and with it all that wait for the same.
    pub(crate) fn add_large(&self, frames: &Frames) {
        self.added.flush(frames);
    }

    /// Is the page on a list (`folio_test_lru()`)?
    pub(crate) fn is_listed(&self, pfn: Pfn) -> bool {
        !self.added.contains(pfn) && !self.is_new_mlocked(pfn)
    }

    /// References that batches hold and the frame's count does not tell: that of the batch of added
    /// pages.
    pub(crate) fn uncounted(&self, pfn: Pfn) -> u32 {
        u32::from(self.added.contains(pfn))
    }

    /// Marks a page that was accessed before (`folio_mark_accessed()` on its second call).
    pub(crate) fn activate(&self, frames: &Frames, pfn: Pfn) {
        if self.is_new_mlocked(pfn) {
            return;
        }
        if self.added.contains(pfn) {
            frames.meta(pfn).set_flags(FrameFlags::ACTIVE);
            return;
        }
        self.enqueue(frames, pfn, Move::Activate);
    }

    /// `folio_deactivate()`.
    pub(crate) fn deactivate(&self, frames: &Frames, pfn: Pfn) {
        let flags = frames.meta(pfn).flags();
        let unwanted = flags.contains(FrameFlags::UNEVICTABLE);
        if flags.contains(FrameFlags::ACTIVE) && !unwanted && self.is_listed(pfn) {
            self.enqueue(frames, pfn, Move::Deactivate);
        }
    }

    /// `folio_mark_lazyfree()`; `pfn` is a folio's head.
    pub(crate) fn lazy_free(&self, frames: &Frames, pfn: Pfn) {
        if may_free_lazily(frames.meta(pfn).flags()) && self.is_listed(pfn) {
            self.enqueue(frames, pfn, Move::LazyFree);
        }
    }

    fn enqueue(&self, frames: &Frames, pfn: Pfn, what: Move) {
        if frames.concurrent() {
            move_one(frames, pfn, what);
            return;
        }
        frames.get(pfn);
        let mut waiting = self.waiting.lock();
        let batch = waiting.batch(what);
        batch.push(pfn);
        if batch.len() == BATCH || frames.is_large(pfn) {
            let batch = std::mem::take(batch);
            drop(waiting);
            self.move_all(frames, batch, what);
        } else {
            self.pending.store(true, Relaxed);
        }
    }

    /// `folio_batch_move_lru()`.
    fn move_all(&self, frames: &Frames, batch: Vec<Pfn>, what: Move) {
        for pfn in batch {
            if self.is_listed(pfn) {
                move_one(frames, pfn, what);
            }
            frames.put(pfn);
        }
    }

    /// Empties all batches (`lru_add_drain()`).
    pub(crate) fn drain(&self, frames: &Frames) {
        self.added.flush(frames);
        if !self.pending.load(Relaxed) {
            return;
        }
        self.pending.store(false, Relaxed);
        let all = std::mem::take(&mut *self.waiting.lock());
        self.move_all(frames, all.deactivated, Move::Deactivate);
        self.move_all(frames, all.lazy, Move::LazyFree);
        self.move_all(frames, all.activated, Move::Activate);
        self.settle(frames, all.mlocked);
    }

    /// What the batches refer to.
    pub(crate) fn references(&self) -> Vec<Pfn> {
        let waiting = self.waiting.lock();
        let mlocked = waiting.mlocked.iter().map(|&(pfn, _)| pfn);
        let moved = [&waiting.activated, &waiting.deactivated, &waiting.lazy];
        mlocked
            .chain(moved.into_iter().flatten().copied())
            .collect()
    }
}

/// The conditions of `folio_mark_lazyfree()` and `lru_lazyfree()`.
fn may_free_lazily(flags: FrameFlags) -> bool {
    let not_now = FrameFlags::SWAPCACHE | FrameFlags::UNEVICTABLE;
    flags.contains(FrameFlags::ANON | FrameFlags::SWAPBACKED) && !flags.intersects(not_now)
}

/// `lru_activate()`, `lru_deactivate()`, `lru_lazyfree()`.
fn move_one(frames: &Frames, pfn: Pfn, what: Move) {
    let meta = frames.meta(pfn);
    let flags = meta.flags();
    match what {
        Move::Activate => {
            if !flags.contains(FrameFlags::UNEVICTABLE) {
                meta.set_flags(FrameFlags::ACTIVE);
            }
        }
        Move::Deactivate => {
            if flags.contains(FrameFlags::ACTIVE) && !flags.contains(FrameFlags::UNEVICTABLE) {
                meta.clear_flags(FrameFlags::ACTIVE | FrameFlags::REFERENCED);
            }
        }
        Move::LazyFree => {
            if may_free_lazily(flags) {
                let gone = FrameFlags::ACTIVE | FrameFlags::REFERENCED | FrameFlags::SWAPBACKED;
                meta.clear_flags(gone);
            }
        }
    }
}
