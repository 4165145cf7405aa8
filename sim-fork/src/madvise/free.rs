//! `MADV_FREE` (`mm/madvise.c: madvise_free_pte_range()`, 6.19).

use sim_core::{PageRange, Vma};
use sim_pagetable::{
    Arch, Entry, EntryView, Flush, FrameFlags, HUGE_PAGES, Leaf, Marker, Pfn, PteSlot, Run,
};

use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp;
use crate::va::va_range;

impl<A: Arch> Pager<'_, A> {
    /// Makes the pages of a range free for the taking, unless they are written again.
    pub(super) fn free_lazily(&self, vma: &Vma, range: PageRange) {
        self.shared.drain_lru();
        let range = va_range(range);
        for Run { range, leaf } in self.tables().walk(range) {
            match leaf {
                Leaf::Huge(slot) if range.is_huge_block() => {
                    let old = slot.entry();
                    if let Some(head) = Self::normal_page(old)
                        && self.frames().folio_mapcount(head) == 1
                    {
                        self.frames().meta(head).clear_flags(FrameFlags::DIRTY);
                        slot.change(old.mk_old().mk_clean());
                        self.shared.lru.lazy_free(self.frames(), head);
                    }
                    continue;
                }
                Leaf::Huge(slot) => {
                    let shared = Self::normal_page(slot.entry())
                        .is_none_or(|head| self.frames().folio_mapcount(head) != 1);
                    drop(slot);
                    if shared {
                        continue;
                    }
                    thp::split::split(self, vma, range.start());
                }
                Leaf::Table(table) => drop(table),
                Leaf::Absent => continue,
            }
            let whole = thp::split::split_partial(self, vma, range);
            if let Leaf::Table(table) = self.tables().leaf(range.start()) {
                for slot in table.slots(range) {
                    self.free_entry(slot, &whole);
                }
            }
        }
        self.tables().flush(Flush::of(range));
    }

    fn free_entry(&self, slot: PteSlot<'_, A>, whole: &[Pfn]) {
        let entry = slot.get();
        match entry.view() {
            EntryView::Present(_) => self.free_page(slot, entry, whole),
            EntryView::Swap(swapped) => {
                self.rss().add(RssKind::Swap, -1);
                self.shared.free_swap_and_cache(swapped.slot);
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

    /// `whole` are the heads of large folios of which every page is freed.
    fn free_page(&self, slot: PteSlot<'_, A>, entry: Entry<A>, whole: &[Pfn]) {
        let Some(pfn) = Self::normal_page(entry) else {
            return;
        };
        let frames = self.frames();
        let head = frames.head(pfn);
        let pages = if frames.is_large(pfn) {
            if !whole.contains(&head) {
                return;
            }
            HUGE_PAGES as u32
        } else {
            1
        };
        let flags = frames.meta(head).flags();
        if flags.intersects(FrameFlags::SWAPCACHE | FrameFlags::DIRTY) {
            if frames.folio_mapcount(pfn) != pages {
                return;
            }
            if flags.contains(FrameFlags::SWAPCACHE) && !self.shared.free_swap(head) {
                return;
            }
            frames.meta(head).clear_flags(FrameFlags::DIRTY);
        }
        slot.set(entry.mk_old().mk_clean());
        self.shared.lru.lazy_free(frames, head);
    }
}
