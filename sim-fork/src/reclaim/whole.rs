//! Swapping out a huge page whole (`mm/vmscan.c: shrink_folio_list()`, `mm/rmap.c:
//! try_to_unmap_one()`, 6.18).

use sim_core::{VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PteSlot, SwapSlot, VaRange};

use crate::folio;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp;

/// What became of a huge page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whole {
    /// It is in swap, or gone; or it is to stay.
    Settled,
    /// It is to be split, and its pages are to be reclaimed one by one.
    Split,
}

/// Reclaims an anonymous huge page that only the page table of `block` maps, all of it.
pub(crate) fn pageout_whole<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    block: VaRange,
    head: Pfn,
) -> Whole {
    let flags = pager.frames().meta(head).flags();
    if flags.contains(FrameFlags::MLOCKED) {
        return Whole::Settled;
    }
    if !flags.contains(FrameFlags::SWAPBACKED) {
        free_whole(pager, vma, block, head);
        return Whole::Settled;
    }
    let Some(first) = pager.shared.enter_swap(head) else {
        return Whole::Split;
    };
    thp::mapping::split(pager, vma, block.start());
    let Leaf::Table(table) = pager.tables().leaf(block.start()) else {
        return Whole::Settled;
    };
    for slot in table.slots(block) {
        let page = Pager::<A>::normal_page(slot.get());
        let index = page.and_then(|pfn| pfn.get().checked_sub(head.get()));
        if let Some((pfn, index)) = page.zip(index.filter(|&index| index < HUGE_PAGES)) {
            swap_out_part(pager, vma, slot, (pfn, first.add(index)));
        }
    }
    drop(table);
    pager.shared.swap_out(head, first);
    Whole::Settled
}

/// What was freed lazily goes, unless a page of it was written since (`mm/rmap.c:
/// folio_unmap_pte_batch()`). A huge mapping is split for that.
fn free_whole<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, block: VaRange, head: Pfn) {
    thp::mapping::split(pager, vma, block.start());
    let Leaf::Table(table) = pager.tables().leaf(block.start()) else {
        return;
    };
    let meta = pager.frames().meta(head);
    let mapped = || {
        let slots = table.slots(block);
        slots.filter_map(|slot| Some((slot, Pager::<A>::normal_page(slot.get())?)))
    };
    let dirty = mapped().any(|(slot, _)| slot.get().is_dirty());
    let young = mapped().any(|(slot, _)| slot.get().is_young());
    if dirty {
        folio::mark_dirty(pager.frames(), head);
    }
    if meta.has(FrameFlags::DIRTY) && !vma.flags().contains(VmFlags::DROPPABLE) {
        meta.set_flags(FrameFlags::SWAPBACKED | FrameFlags::ACTIVE);
        // The entries come back, all with the bits of all.
        for (slot, _) in mapped() {
            let old = slot.get();
            let old = if young { old.mk_young() } else { old };
            slot.set(if dirty { old.mk_dirty() } else { old });
        }
        return;
    }
    for (slot, pfn) in mapped() {
        slot.set(Entry::NONE);
        pager.account_reclaimed(vma, pfn, RssKind::Anon);
    }
}

/// One entry becomes a swap entry.
fn swap_out_part<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    slot: PteSlot<'_, A>,
    (pfn, place): (Pfn, SwapSlot),
) {
    let old = slot.get();
    let meta = pager.frames().meta(pfn);
    pager.shared.swap.duplicate(place);
    if old.is_dirty() {
        folio::mark_dirty(pager.frames(), pfn);
    }
    let exclusive = meta.has(FrameFlags::ANON_EXCLUSIVE);
    meta.clear_flags(FrameFlags::ANON_EXCLUSIVE);
    slot.set(swap_entry(old, place, exclusive));
    pager.rss().add(RssKind::Swap, 1);
    pager.account_reclaimed(vma, pfn, RssKind::Anon);
}

/// The swap entry that takes the place of a page's entry.
pub(super) fn swap_entry<A: Arch>(old: Entry<A>, place: SwapSlot, exclusive: bool) -> Entry<A> {
    let mut swapped = Entry::swap(place).with_swp_exclusive(exclusive);
    if old.is_soft_dirty() {
        swapped = swapped.with_soft_dirty(true);
    }
    if old.is_uffd_wp() {
        swapped = swapped.with_uffd_wp(true);
    }
    swapped
}
