//! What reclaim does with one page (`mm/vmscan.c: shrink_folio_list()`, `mm/rmap.c:
//! try_to_unmap_one()`, 6.19).
//!
//! ```text
//!   anonymous, lazily freed, clean ─▶ dropped            dirty again ─▶ kept
//!   anonymous ─ swap has room ──────▶ swap entry         full ────────▶ kept
//!   shared memory ──────────────────▶ unmapped, dropped if never written, else to swap if it has room
//!   file ───────────────────────────▶ unmapped, dropped if clean; dirty pages stay in the cache
//! ```

use sim_core::store::VmaStore;
use sim_core::{MappedKind, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Leaf, Pfn};

use super::rmap::Mapping;
use super::whole::swap_entry;
use crate::file::{CachedPage, FileObject, release};
use crate::folio;
use crate::machine::Machine;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::shared::Shared;
use crate::va::va;

/// Takes a page away from all that map it; 1 if its frame is free now.
pub(super) fn reclaim<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pfn: Pfn,
    mappings: &[Mapping<A, S>],
) -> u64 {
    let shared = machine.shared();
    if folio::is_anon(&shared.frames, pfn) {
        return reclaim_anon(machine, pfn, mappings);
    }
    let mut place = None;
    for mapping in mappings {
        let pager = Pager::new(shared, &mapping.space.pages);
        let mm = mapping.space.read_recursive();
        if let Some(id) = mm.vma_lookup(mapping.at) {
            let vma = mm.vma(id);
            place = vma
                .file()
                .map(|file| (file, vma.pgoff_of(mapping.at).get()));
            unmap_object_page(&pager, vma, mapping.at);
        }
    }
    let Some((file, index)) = place else { return 0 };
    let object = shared.files.get(file.id);
    object.map_or(0, |object| drop_cached(shared, &object, index))
}

fn reclaim_anon<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pfn: Pfn,
    mappings: &[Mapping<A, S>],
) -> u64 {
    let mut freed = false;
    let mut slot = None;
    for mapping in mappings {
        let pager = Pager::new(machine.shared(), &mapping.space.pages);
        let mm = mapping.space.read_recursive();
        let Some(id) = mm.vma_lookup(mapping.at) else {
            continue;
        };
        match swap_out(&pager, mm.vma(id), mapping.at, pfn, slot) {
            Gone::Kept => return 0,
            Gone::Dropped => freed = true,
            Gone::Swapped(place) => {
                freed = true;
                slot = Some(place);
            }
        }
    }
    u64::from(freed)
}

/// Pages of a process that `MADV_PAGEOUT` picked: mapped by this entry alone.
pub(crate) fn pageout<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr, pfn: Pfn) {
    let head = pager.frames().head(pfn);
    if pager.frames().meta(head).has(FrameFlags::MLOCKED) {
        // Unevictable, whether or not its VMA is still locked.
        return;
    }
    if folio::is_anon(pager.frames(), pfn) {
        if matches!(swap_out(pager, vma, at, pfn, None), Gone::Kept) {
            // What cannot be reclaimed comes back as if it were new.
            pager.shared.lru.add(pager.frames(), pfn);
        }
        return;
    }
    let Some(file) = vma.file() else { return };
    unmap_object_page(pager, vma, at);
    if let Some(object) = pager.shared.files.get(file.id) {
        drop_cached(pager.shared, &object, vma.pgoff_of(at).get());
    }
}

/// How an attempt on an anonymous page ended.
enum Gone {
    /// It stays.
    Kept,
    /// It was free for the taking.
    Dropped,
    /// It is in swap.
    Swapped(sim_pagetable::SwapSlot),
}

/// Replaces the entry of an anonymous page. `slot` is where it already went from another mapping.
fn swap_out<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    pfn: Pfn,
    slot: Option<sim_pagetable::SwapSlot>,
) -> Gone {
    let frames = pager.frames();
    let Leaf::Table(table) = pager.tables().leaf(va(at)) else {
        return Gone::Kept;
    };
    let entry = table.get(va(at));
    let meta = frames.meta(pfn);
    if meta.has(FrameFlags::MLOCKED) {
        return Gone::Kept;
    }
    if !meta.has(FrameFlags::SWAPBACKED) {
        // Droppable memory goes even if it was written.
        let wanted = !vma.flags().contains(VmFlags::DROPPABLE);
        if wanted && (entry.is_dirty() || meta.has(FrameFlags::DIRTY)) {
            meta.set_flags(FrameFlags::SWAPBACKED | FrameFlags::ACTIVE);
            return Gone::Kept;
        }
        table.set(va(at), Entry::NONE);
        drop(table);
        pager.account_unmap(vma, pfn, RssKind::Anon);
        return Gone::Dropped;
    }
    let swap = &pager.shared.swap;
    let place = if let Some(place) = slot {
        swap.duplicate(place);
        place
    } else if let Some(place) = swap.alloc(meta.tag(), 1) {
        place
    } else {
        meta.set_flags(FrameFlags::ACTIVE);
        return Gone::Kept;
    };
    let exclusive = meta.has(FrameFlags::ANON_EXCLUSIVE);
    table.set(va(at), swap_entry(entry, place, exclusive));
    drop(table);
    pager.rss().add(RssKind::Swap, 1);
    pager.account_unmap(vma, pfn, RssKind::Anon);
    Gone::Swapped(place)
}

/// Takes a page of an object out of one page table.
fn unmap_object_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr) {
    pager.zap(vma, sim_core::PageRange::page_of(at), ZapMode::Reclaim);
}

/// Takes a page that nobody maps out of the page cache; 1 if its frame is free now.
fn drop_cached(shared: &Shared, object: &FileObject, index: u64) -> u64 {
    let mut state = object.lock();
    let Some(&CachedPage::Present(pfn)) = state.get(index) else {
        return 0;
    };
    let frames = &shared.frames;
    if frames.is_large(pfn) || frames.refs(pfn) != 1 || frames.page_mapcount(pfn) != 0 {
        return 0;
    }
    let meta = frames.meta(pfn);
    let rest = match object.file().kind {
        MappedKind::Regular if meta.has(FrameFlags::DIRTY) => {
            // Only kswapd writes pages back.
            meta.set_flags(FrameFlags::ACTIVE | FrameFlags::RECLAIM);
            shared.lru.add(frames, pfn);
            return 0;
        }
        MappedKind::Regular => CachedPage::OnDisk(meta.tag()),
        MappedKind::Memfd | MappedKind::DevZero if !meta.has(FrameFlags::DIRTY) => {
            // Never written: the hole that it was will do.
            state.punch(index, false);
            drop(state);
            release(shared, CachedPage::Present(pfn));
            return 1;
        }
        MappedKind::Memfd | MappedKind::DevZero => {
            let Some(place) = shared.swap.alloc(meta.tag(), 1) else {
                meta.set_flags(FrameFlags::ACTIVE);
                shared.lru.add(frames, pfn);
                return 0;
            };
            CachedPage::Swapped(place)
        }
        MappedKind::Pfnmap | MappedKind::Mixedmap => return 0,
    };
    state.set(index, rest);
    drop(state);
    release(shared, CachedPage::Present(pfn));
    1
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
