//! What faults, unmapping and reclaim do to a page's flags (`struct folio`).

use sim_core::{VmFlags, Vma};
use sim_pagetable::{FrameFlags, Frames, Pfn};

use crate::rss::RssKind;
use crate::shared::Shared;

/// Flags of a new page of anonymous memory, mapped once.
pub(crate) const NEW_ANON: FrameFlags = FrameFlags::ANON
    .union(FrameFlags::ANON_EXCLUSIVE)
    .union(FrameFlags::SWAPBACKED)
    .union(FrameFlags::LRU);

/// Flags of a new anonymous page of a VMA: what may be dropped never goes to swap
/// (`mm/rmap.c: folio_add_new_anon_rmap()`, 6.19).
pub(crate) fn new_anon(vma: &Vma) -> FrameFlags {
    if vma.flags().contains(VmFlags::DROPPABLE) {
        NEW_ANON - FrameFlags::SWAPBACKED
    } else {
        NEW_ANON
    }
}

/// Flags of a new page in a regular file's cache.
pub(crate) const NEW_FILE: FrameFlags = FrameFlags::FILE.union(FrameFlags::LRU);

/// Flags of a new page of shared memory.
pub(crate) const NEW_SHMEM: FrameFlags = FrameFlags::SHMEM
    .union(FrameFlags::SWAPBACKED)
    .union(FrameFlags::LRU);

/// What a page has besides that comes back after reclaim took it away: it was missed soon
/// (`mm/workingset.c: workingset_refault()`).
/// DEVIATION: however long it was away.
pub(crate) const REFAULTED: FrameFlags = FrameFlags::ACTIVE;

/// Notes an access that was not through the page tables' young bit
/// (`mm/swap.c: folio_mark_accessed()`, 6.19, without MGLRU).
pub(crate) fn mark_accessed(shared: &Shared, pfn: Pfn) {
    if pfn.is_zero_page() || !pfn.has_meta() {
        return;
    }
    let head = shared.frames.head(pfn);
    let meta = shared.frames.meta(head);
    let flags = meta.flags();
    if !flags.contains(FrameFlags::REFERENCED) {
        meta.set_flags(FrameFlags::REFERENCED);
    } else if !flags.intersects(FrameFlags::UNEVICTABLE | FrameFlags::ACTIVE) {
        shared.lru.activate(&shared.frames, head);
        meta.clear_flags(FrameFlags::REFERENCED);
    }
}

/// Marks a page's folio dirty (`folio_mark_dirty()`).
pub(crate) fn mark_dirty(frames: &Frames, pfn: Pfn) {
    let meta = frames.meta(frames.head(pfn));
    meta.set_flags(FrameFlags::DIRTY);
    meta.clear_flags(FrameFlags::RECLAIM);
}

/// The flags of a page's folio, and its own exclusivity.
pub(crate) fn flags_of(frames: &Frames, pfn: Pfn) -> FrameFlags {
    let own = frames.meta(pfn).flags();
    if own.contains(FrameFlags::LARGE_TAIL) {
        let shared = frames.meta(frames.head(pfn)).flags() - FrameFlags::ANON_EXCLUSIVE;
        shared | (own & FrameFlags::ANON_EXCLUSIVE)
    } else {
        own
    }
}

/// Is it anonymous memory?
pub(crate) fn is_anon(frames: &Frames, pfn: Pfn) -> bool {
    frames.meta(pfn).has(FrameFlags::ANON)
}

/// What the page counts as when it is resident (`mm_counter()`).
pub(crate) fn rss_kind(frames: &Frames, pfn: Pfn) -> RssKind {
    let flags = flags_of(frames, pfn);
    if flags.contains(FrameFlags::ANON) {
        RssKind::Anon
    } else if flags.contains(FrameFlags::SWAPBACKED) {
        RssKind::Shmem
    } else {
        RssKind::File
    }
}
