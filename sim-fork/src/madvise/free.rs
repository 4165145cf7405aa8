//! `MADV_FREE` (`mm/madvise.c: madvise_free_pte_range()`, 6.19).

use sim_core::{PageRange, Vma};
use sim_pagetable::{
    Arch, Entry, EntryView, Flush, FrameFlags, HUGE_PAGES, Leaf, Marker, Pfn, PteSlot, Run,
};

use crate::folio;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::va::va_range;

impl<A: Arch> Pager<'_, A> {
    /// Makes the pages of a range free for the taking, unless they are written again.
    pub(super) fn free_lazily(&self, vma: &Vma, range: PageRange) {
        self.split_partly_covered(vma, range);
        let range = va_range(range);
        for Run { range, leaf } in self.tables().walk(range) {
            let leaf = match leaf {
                Leaf::Huge(slot) if range.is_huge_block() => {
                    let old = slot.entry();
                    if let Some(head) = Self::normal_page(old)
                        && self.frames().folio_mapcount(head) == 1
                    {
                        self.frames().meta(head).clear_flags(FrameFlags::DIRTY);
                        slot.change(old.mk_old().mk_clean());
                        self.mark_lazyfree(head);
                    }
                    continue;
                }
                // Others map it too: they keep it.
                Leaf::Huge(_) => continue,
                other => other,
            };
            if let Leaf::Table(table) = leaf {
                for slot in table.slots(range) {
                    self.free_entry(slot);
                }
            }
        }
        self.tables().flush(Flush::of(range));
    }

    fn free_entry(&self, slot: PteSlot<'_, A>) {
        let entry = slot.get();
        match entry.view() {
            EntryView::Present(_) => self.free_page(slot, entry),
            EntryView::Swap(swapped) => {
                self.rss().add(RssKind::Swap, -1);
                self.release_swap(swapped.slot);
                slot.set(Entry::NONE);
            }
            EntryView::HwPoison(_) => slot.set(Entry::NONE),
            EntryView::Marker(marker) if marker.contains(Marker::POISON) => {
                slot.set(Entry::NONE);
            }
            EntryView::None
            | EntryView::Marker(_)
            | EntryView::Migration(_)
            | EntryView::Device(..) => {}
        }
    }

    fn free_page(&self, slot: PteSlot<'_, A>, entry: Entry<A>) {
        let Some(pfn) = Self::normal_page(entry) else {
            return;
        };
        let frames = self.frames();
        if frames.is_large(pfn) && !self.split_large(pfn) {
            return;
        }
        let flags = frames.meta(pfn).flags();
        if flags.intersects(FrameFlags::SWAPCACHE | FrameFlags::DIRTY) {
            let cached_elsewhere = flags.contains(FrameFlags::SWAPCACHE);
            if frames.page_mapcount(pfn) != 1 || cached_elsewhere {
                return;
            }
            frames.meta(pfn).clear_flags(FrameFlags::DIRTY);
        }
        slot.set(entry.mk_old().mk_clean());
        self.mark_lazyfree(pfn);
    }

    /// A folio of which only a part is freed is split, if nobody else has it.
    /// DEVIATION: also when all of its pages are in the range, where Linux keeps it whole.
    pub(crate) fn split_large(&self, pfn: Pfn) -> bool {
        let head = self.frames().head(pfn);
        let mappings = self.frames().folio_mapcount(head);
        let alone = mappings <= HUGE_PAGES as u32
            && self.frames().entire_mapcount(head) == 0
            && mappings == self.frames().refs(head);
        if alone {
            self.frames().split_folio(head, 0);
        }
        alone
    }

    /// `mm/swap.c: folio_mark_lazyfree()`, its per-CPU batch taken as drained.
    fn mark_lazyfree(&self, pfn: Pfn) {
        let flags = folio::flags_of(self.frames(), pfn);
        let wanted = FrameFlags::ANON | FrameFlags::SWAPBACKED;
        let not_now = FrameFlags::SWAPCACHE | FrameFlags::MLOCKED;
        if flags.contains(wanted) && !flags.intersects(not_now) {
            let gone = FrameFlags::SWAPBACKED | FrameFlags::ACTIVE | FrameFlags::REFERENCED;
            let head = self.frames().head(pfn);
            self.frames().meta(head).clear_flags(gone);
        }
    }
}
