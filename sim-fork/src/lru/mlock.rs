//! Pages that get locked in memory, or are no longer (`mm/mlock.c: mlock_folio_batch()`, 6.18).
//!
//! How often a page on the list of unevictable ones is locked is kept as its frame's owner.

use sim_sync::prim::atomic::Ordering::Relaxed;

use sim_core::{VmFlags, Vma};
use sim_pagetable::{FrameFlags, Frames, Pfn};

use super::{BATCH, Lru};

/// What is to become of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mlock {
    /// Locked; it is on a list.
    Listed,
    /// Locked; it never was on a list.
    New,
    /// Locked once less.
    Unlock,
}

impl Lru {
    /// A new page was mapped (`folio_add_lru_vma()`).
    #[inline]
    pub(crate) fn add_mapped(&self, frames: &Frames, vma: &Vma, pfn: Pfn) {
        if is_locked(vma) {
            frames.meta(pfn).set_flags(FrameFlags::MLOCKED);
            self.enqueue_mlock(frames, pfn, Mlock::New);
        } else {
            self.add(frames, pfn);
        }
    }

    /// The same for a huge page, by its head.
    pub(crate) fn add_mapped_large(&self, frames: &Frames, vma: &Vma, head: Pfn) {
        if is_locked(vma) {
            frames.meta(head).set_flags(FrameFlags::MLOCKED);
            self.enqueue_mlock(frames, head, Mlock::New);
        } else {
            self.add_large(frames);
        }
    }

    /// `mlock_folio()`.
    pub(crate) fn mlock(&self, frames: &Frames, head: Pfn) {
        frames.meta(head).set_flags(FrameFlags::MLOCKED);
        self.enqueue_mlock(frames, head, Mlock::Listed);
    }

    /// `munlock_folio()`.
    pub(crate) fn munlock(&self, frames: &Frames, head: Pfn) {
        self.enqueue_mlock(frames, head, Mlock::Unlock);
    }

    fn enqueue_mlock(&self, frames: &Frames, head: Pfn, what: Mlock) {
        frames.get(head);
        if frames.concurrent() {
            self.settle(frames, vec![(head, what)]);
            return;
        }
        let mut waiting = self.waiting.lock();
        waiting.mlocked.push((head, what));
        self.pending.store(true, Relaxed);
        if waiting.mlocked.len() == BATCH || frames.is_large(head) {
            let batch = std::mem::take(&mut waiting.mlocked);
            drop(waiting);
            self.settle(frames, batch);
        }
    }

    /// Empties this batch alone (`mlock_drain_local()`).
    pub(crate) fn drain_mlocked(&self, frames: &Frames) {
        let batch = std::mem::take(&mut self.waiting.lock().mlocked);
        self.settle(frames, batch);
    }

    /// Does the page wait for its first list among the locked ones?
    pub(super) fn is_new_mlocked(&self, pfn: Pfn) -> bool {
        self.pending.load(Relaxed) && self.waiting.lock().mlocked.contains(&(pfn, Mlock::New))
    }

    /// `mlock_folio_batch()`.
    pub(super) fn settle(&self, frames: &Frames, batch: Vec<(Pfn, Mlock)>) {
        for (pfn, what) in batch {
            let listed = !self.added.contains(pfn);
            match what {
                Mlock::Listed if listed => lock(frames, pfn),
                Mlock::Listed => {}
                Mlock::New => lock_new(frames, pfn),
                Mlock::Unlock => unlock(frames, pfn, listed),
            }
            frames.put(pfn);
        }
    }
}

/// Does a VMA lock the pages that it maps?
pub(crate) fn is_locked(vma: &Vma) -> bool {
    vma.flags() & (VmFlags::LOCKED | VmFlags::SPECIAL) == VmFlags::LOCKED
}

/// `__mlock_folio()`.
fn lock(frames: &Frames, pfn: Pfn) {
    let meta = frames.meta(pfn);
    let flags = meta.flags();
    if !flags.contains(FrameFlags::MLOCKED) {
        meta.clear_flags(FrameFlags::UNEVICTABLE);
    } else if flags.contains(FrameFlags::UNEVICTABLE) {
        meta.set_owner(meta.owner().saturating_add(1));
    } else {
        meta.clear_flags(FrameFlags::ACTIVE);
        meta.set_flags(FrameFlags::UNEVICTABLE);
        meta.set_owner(1);
    }
}

/// `__mlock_new_folio()`.
fn lock_new(frames: &Frames, pfn: Pfn) {
    let meta = frames.meta(pfn);
    if meta.has(FrameFlags::MLOCKED) {
        meta.set_flags(FrameFlags::UNEVICTABLE);
        meta.set_owner(1);
    }
}

/// `__munlock_folio()`.
fn unlock(frames: &Frames, pfn: Pfn, listed: bool) {
    let meta = frames.meta(pfn);
    if listed && meta.has(FrameFlags::UNEVICTABLE) {
        let count = meta.owner().saturating_sub(1);
        meta.set_owner(count);
        if count != 0 {
            return;
        }
    }
    meta.clear_flags(FrameFlags::MLOCKED);
    if listed {
        meta.clear_flags(FrameFlags::UNEVICTABLE);
    }
}
