//! Swapping out a huge page whole (`mm/vmscan.c: shrink_folio_list()`, `mm/rmap.c:
//! try_to_unmap_one()`, 6.18).

use sim_core::Vma;
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PteSlot, SwapSlot, VaRange};

use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp;
use crate::va::page_range;

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
        return free_whole(pager, vma, block, head);
    }
    let Some(first) = pager.shared.swap.alloc_huge() else {
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
            let place = SwapSlot {
                offset: first.offset + index,
                ..first
            };
            swap_out_part(pager, vma, slot, (pfn, place));
        }
    }
    Whole::Settled
}

/// What was freed lazily goes, unless it was written since. Either way its mapping is split.
fn free_whole<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, block: VaRange, head: Pfn) -> Whole {
    let Leaf::Huge(slot) = pager.tables().leaf(block.start()) else {
        return Whole::Split;
    };
    let meta = pager.frames().meta(head);
    let written = slot.entry().is_dirty() || meta.has(FrameFlags::DIRTY);
    drop(slot);
    thp::mapping::split(pager, vma, block.start());
    if written {
        meta.set_flags(FrameFlags::SWAPBACKED | FrameFlags::ACTIVE | FrameFlags::DIRTY);
    } else {
        pager.zap(vma, page_range(block), ZapMode::Discard);
    }
    Whole::Settled
}

/// One entry becomes a swap entry.
fn swap_out_part<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    slot: PteSlot<'_, A>,
    (pfn, place): (Pfn, SwapSlot),
) {
    let meta = pager.frames().meta(pfn);
    pager.shared.swap.fill(place, meta.tag());
    slot.set(swap_entry(
        slot.get(),
        place,
        meta.has(FrameFlags::ANON_EXCLUSIVE),
    ));
    meta.clear_flags(FrameFlags::ANON_EXCLUSIVE);
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
