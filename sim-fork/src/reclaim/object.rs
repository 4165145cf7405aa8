//! What reclaim does with pages of objects (`mm/vmscan.c: shrink_folio_list()`, `__remove_mapping()`,
//! `mm/shmem.c: shmem_writeout()`, 6.18).
//!
//! ```text
//!   large folio of shared memory ─ unmapped ─▶ swapped out whole
//!                                              split, and swapped out page by page, if the object
//!                                              ends inside it or swap has no such place
//!                                              kept, if there is no swap at all
//! ```

use sim_core::MappedKind;
use sim_core::store::VmaStore;
use sim_pagetable::{Arch, FrameFlags};

use crate::file::{CachedPage, FileObject, SwappedPage, release};
use crate::machine::Machine;
use crate::shared::Shared;
use crate::swap::SwapId;
use crate::thp::folio::{self, Folio, Held};

/// Reclaims a large folio of an object: unmaps it wherever it is mapped, then swaps it out. The caller
/// holds mmap_lock for reading.
pub(crate) fn pageout_large<A: Arch, S: VmaStore>(machine: &Machine<A, S>, folio: Folio) {
    let shared = machine.shared();
    let meta = shared.frames.meta(folio.head());
    if meta.has(FrameFlags::MLOCKED) || !folio::unmap(machine, folio) {
        return;
    }
    let object = folio.object().and_then(|file| shared.files.get(file.id));
    let object = object.filter(|object| object.file().is_shmem());
    match object {
        Some(object) if !shared.swap.is_absent() => swap_out_large(machine, &object, folio),
        Some(_) | None => meta.set_flags(FrameFlags::ACTIVE),
    }
}

fn swap_out_large<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    object: &FileObject,
    folio: Folio,
) {
    let shared = machine.shared();
    if let Some(place) = leave_for_swap(shared, object, folio) {
        shared.swap_out(folio.head(), place);
        return;
    }
    if !folio::split(machine, folio, Held::Mmap) {
        shared
            .frames
            .meta(folio.head())
            .set_flags(FrameFlags::ACTIVE);
        return;
    }
    // The head goes on; the others join those that are still to be reclaimed, at the end where the
    // next one is taken.
    let mut indices = folio.indices();
    let head = indices.next();
    for index in head.into_iter().chain(indices.rev()) {
        drop_cached(shared, object, index);
    }
}

/// Takes a folio that nobody maps out of the page cache, to places in swap, of which the first is
/// returned. `None` if it cannot be swapped out whole.
fn leave_for_swap(shared: &Shared, object: &FileObject, folio: Folio) -> Option<SwapId> {
    let (frames, head, indices) = (&shared.frames, folio.head(), folio.indices());
    let mut state = object.lock();
    let ends_inside = indices.start < state.size_in_pages() && state.size_in_pages() < indices.end;
    let pages = shared.pages_of(head);
    if ends_inside || frames.refs(head) != pages || state.cached(indices.start) != Some(head) {
        return None;
    }
    let place = shared.enter_swap(head)?;
    for (index, i) in indices.zip(0..) {
        let slot = place.add(i);
        shared.swap.duplicate(slot);
        let pages = u64::from(pages);
        state.set(index, CachedPage::Swapped(SwappedPage { slot, pages }));
    }
    drop(state);
    frames.put_many(head, pages);
    Some(place)
}

/// Takes a page that nobody maps out of the page cache; 1 if its frame is free now.
pub(super) fn drop_cached(shared: &Shared, object: &FileObject, index: u64) -> u64 {
    let mut state = object.lock();
    let Some(&CachedPage::Present(pfn)) = state.get(index) else {
        return 0;
    };
    let frames = &shared.frames;
    if frames.is_large(pfn) || frames.refs(pfn) != 1 || frames.page_mapcount(pfn) != 0 {
        return 0;
    }
    let meta = frames.meta(pfn);
    let dirty = meta.has(FrameFlags::DIRTY);
    let rest = match object.file().kind {
        MappedKind::Regular if dirty => {
            // Only kswapd writes pages back.
            meta.set_flags(FrameFlags::ACTIVE | FrameFlags::RECLAIM);
            shared.lru.add(frames, pfn);
            return 0;
        }
        MappedKind::Regular if !state.is_hole(index) => CachedPage::OnDisk(meta.tag()),
        MappedKind::Memfd | MappedKind::DevZero if dirty => {
            let Some(place) = shared.enter_swap(pfn) else {
                meta.set_flags(FrameFlags::ACTIVE);
                shared.lru.add(frames, pfn);
                return 0;
            };
            shared.swap.duplicate(place);
            CachedPage::Swapped(SwappedPage::alone(place))
        }
        MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => {
            // Never written: the hole that it was will do.
            state.take(index);
            state.punch(index..index + 1);
            drop(state);
            release(shared, CachedPage::Present(pfn));
            return 1;
        }
        MappedKind::Pfnmap | MappedKind::Mixedmap => return 0,
    };
    state.set(index, rest);
    drop(state);
    release(shared, CachedPage::Present(pfn));
    let CachedPage::Swapped(SwappedPage { slot, .. }) = rest else {
        return 1;
    };
    u64::from(shared.swap_out(pfn, slot))
}

/// Drops pages that only the page cache has, in the order of files and offsets.
pub(super) fn drop_unmapped<A: Arch, S: VmaStore>(machine: &Machine<A, S>, wanted: u64) -> u64 {
    let shared = machine.shared();
    let mut got = 0;
    for object in shared.files.all() {
        let cached: Vec<_> = object.lock().pages().map(|(index, _)| index).collect();
        for index in cached {
            if got >= wanted {
                return got;
            }
            got += drop_cached(shared, &object, index);
        }
    }
    got
}
