//! `MADV_FREE` (`mm/madvise.c: madvise_free_pte_range()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{PageRange, Vma};
use sim_pagetable::{
    Arch, Entry, EntryView, Flush, FrameFlags, HUGE_PAGES, Leaf, Marker, Pfn, PmdSlot, PteSlot,
    PteTable, VaRange,
};

use super::large::{Entries, Part};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp::folio::{self, Folio, Held};
use crate::va::{addr, va_range};

/// Makes the pages of a range free for the taking, unless they are written again.
pub(super) fn free_lazily<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pager: &Pager<'_, A>,
    (vma, range): (&Vma, PageRange),
    held: Held,
) {
    for part in Part::all_of(pager, vma, range) {
        if let Leaf::Huge(slot) = pager.tables().leaf(part.range.start())
            && !pager.free_huge(slot, part.range)
        {
            continue;
        }
        part.split_huge(machine, held);
        part.for_each(machine, held, |entries| match entries {
            Entries::One(slot) => pager.free_entry(slot),
            Entries::Folio(table, range, head) => pager.free_folio(table, range, head),
        });
    }
    pager.tables().flush(Flush::of(va_range(range)));
}

impl<A: Arch> Part<'_, A> {
    /// Splits the folio of a huge entry. True if there is no such entry any more.
    pub(super) fn split_huge<S: VmaStore>(&self, machine: &Machine<A, S>, held: Held) -> bool {
        let Leaf::Huge(slot) = self.pager.tables().leaf(self.range.start()) else {
            return true;
        };
        let Some(head) = Pager::normal_page(slot.entry()) else {
            return false;
        };
        drop(slot);
        let at = addr(self.range.start().huge_down());
        let folio = Folio::mapped_at(self.pager.frames(), self.vma, at, head);
        folio::split(machine, folio, held)
    }
}

impl<A: Arch> Pager<'_, A> {
    /// A huge page as a whole; true if it is to become single pages first
    /// (`mm/huge_memory.c: madvise_free_huge_pmd()`).
    fn free_huge(&self, slot: PmdSlot<'_, A>, range: VaRange) -> bool {
        let old = slot.entry();
        let Some(head) = Self::normal_page(old) else {
            return false;
        };
        if self.frames().is_maybe_shared(head) {
            return false;
        }
        if !range.is_huge_block() {
            return true;
        }
        self.frames().meta(head).clear_flags(FrameFlags::DIRTY);
        slot.change(old.mk_old().mk_clean());
        self.shared.lru.lazy_free(self.frames(), head);
        false
    }

    fn free_entry(&self, slot: PteSlot<'_, A>) {
        let entry = slot.get();
        match entry.view() {
            EntryView::Present(_) => {
                if let Some(pfn) = Self::normal_page(entry)
                    && self.may_free(pfn, 1)
                {
                    slot.set(entry.mk_old().mk_clean());
                    self.shared.lru.lazy_free(self.frames(), pfn);
                }
            }
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

    fn free_folio(&self, table: &PteTable<'_, A>, range: VaRange, head: Pfn) {
        if self.may_free(head, HUGE_PAGES as u32) {
            for slot in table.slots(range) {
                slot.set(slot.get().mk_old().mk_clean());
            }
            self.shared.lru.lazy_free(self.frames(), head);
        }
    }

    /// A dirty page becomes clean, if nobody else has it.
    fn may_free(&self, head: Pfn, pages: u32) -> bool {
        let meta = self.frames().meta(head);
        let flags = meta.flags();
        if flags.intersects(FrameFlags::SWAPCACHE | FrameFlags::DIRTY) {
            if self.frames().folio_mapcount(head) != pages {
                return false;
            }
            if flags.contains(FrameFlags::SWAPCACHE) && !self.shared.free_swap(head) {
                return false;
            }
            meta.clear_flags(FrameFlags::DIRTY);
        }
        true
    }
}
