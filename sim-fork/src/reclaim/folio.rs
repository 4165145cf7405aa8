//! What reclaim does with one page (`mm/vmscan.c: shrink_folio_list()`, `mm/rmap.c:
//! try_to_unmap_one()`, 6.19).
//!
//! ```text
//!   anonymous, lazily freed, clean ─▶ dropped            dirty again ─▶ kept
//!   anonymous ─ swap has room ──────▶ swap entry         full ────────▶ kept
//!                                     written to a disk: the page stays in the swap cache
//!   shared memory ──────────────────▶ unmapped, dropped if never written, else to swap if it has room
//!   file ───────────────────────────▶ unmapped, dropped if clean; dirty pages stay in the cache
//! ```

use sim_core::store::VmaStore;
use sim_core::{VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Leaf, Pfn, SwapSlot};

use super::object::drop_cached;
use super::rmap::Mapping;
use super::whole::swap_entry;
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
    let shared = machine.shared();
    let meta = shared.frames.meta(pfn);
    if meta.has(FrameFlags::MLOCKED) {
        return 0;
    }
    let Some(to) = way_out(shared, pfn) else {
        return 0;
    };
    for mapping in mappings {
        let pager = Pager::new(shared, &mapping.space.pages);
        let mm = mapping.space.read_recursive();
        let vma = mm.vma_lookup(mapping.at).map(|id| mm.vma(id));
        let gone = vma.is_some_and(|vma| unmap_anon(&pager, vma, mapping.at, pfn, to));
        if !gone {
            return 0;
        }
    }
    match to {
        WayOut::Dropped => 1,
        WayOut::Swapped(place) => {
            // Whoever needs memory comes back when it is written.
            let gone = shared.write_to_swap(pfn, place) || shared.drop_from_swap_cache(pfn);
            u64::from(gone)
        }
    }
}

/// Pages of a process that `MADV_PAGEOUT` picked: mapped by this entry alone.
pub(crate) fn pageout<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr, pfn: Pfn) {
    let head = pager.frames().head(pfn);
    if pager.frames().meta(head).has(FrameFlags::MLOCKED) {
        // Unevictable, whether or not its VMA is still locked.
        return;
    }
    if folio::is_anon(pager.frames(), pfn) {
        pageout_anon(pager, vma, at, pfn);
        return;
    }
    let Some(file) = vma.file() else { return };
    unmap_object_page(pager, vma, at);
    if let Some(object) = pager.shared.files.get(file.id) {
        drop_cached(pager.shared, &object, vma.pgoff_of(at).get());
    }
}

/// What is kept, for whatever reason, comes back as if it were new.
fn pageout_anon<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr, pfn: Pfn) {
    let shared = pager.shared;
    match way_out(shared, pfn) {
        Some(to) if unmap_anon(pager, vma, at, pfn, to) => {
            if let WayOut::Swapped(place) = to {
                shared.swap_out(pfn, place);
            }
        }
        Some(_) | None => shared.lru.add(&shared.frames, pfn),
    }
}

/// Where an anonymous page can go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WayOut {
    /// It was freed lazily: nowhere.
    Dropped,
    /// To its place in swap.
    Swapped(SwapSlot),
}

/// `None` if swap is full.
fn way_out(shared: &Shared, pfn: Pfn) -> Option<WayOut> {
    let meta = shared.frames.meta(pfn);
    if !meta.has(FrameFlags::SWAPBACKED) {
        return Some(WayOut::Dropped);
    }
    let place = shared.enter_swap(pfn);
    if place.is_none() {
        meta.set_flags(FrameFlags::ACTIVE);
    }
    place.map(WayOut::Swapped)
}

/// Takes an anonymous page out of a page table. False if it stays there.
fn unmap_anon<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    pfn: Pfn,
    to: WayOut,
) -> bool {
    let Leaf::Table(table) = pager.tables().leaf(va(at)) else {
        return false;
    };
    let entry = table.get(va(at));
    let meta = pager.frames().meta(pfn);
    match to {
        WayOut::Dropped => {
            if entry.is_dirty() {
                folio::mark_dirty(pager.frames(), pfn);
            }
            // Droppable memory goes even if it was written.
            let wanted = !vma.flags().contains(VmFlags::DROPPABLE);
            if wanted && meta.has(FrameFlags::DIRTY) {
                meta.set_flags(FrameFlags::SWAPBACKED | FrameFlags::ACTIVE);
                return false;
            }
            table.set(va(at), Entry::NONE);
        }
        WayOut::Swapped(place) => {
            let exclusive = meta.has(FrameFlags::ANON_EXCLUSIVE);
            pager.shared.swap.duplicate(place);
            if entry.is_dirty() {
                folio::mark_dirty(pager.frames(), pfn);
            }
            meta.clear_flags(FrameFlags::ANON_EXCLUSIVE);
            table.set(va(at), swap_entry(entry, place, exclusive));
            pager.rss().add(RssKind::Swap, 1);
        }
    }
    drop(table);
    pager.account_reclaimed(vma, pfn, RssKind::Anon);
    true
}

/// Takes a page of an object out of one page table.
fn unmap_object_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr) {
    pager.zap(vma, sim_core::PageRange::page_of(at), ZapMode::Reclaim);
}
