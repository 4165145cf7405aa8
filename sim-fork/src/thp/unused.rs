//! Splitting folios of which a call concerns only a part; pages that hold nothing but zeroes are
//! not kept (`mm/huge_memory.c: split_folio()`, `mm/migrate.c: try_to_map_unused_to_zeropage()`,
//! 6.18).

use sim_core::{PageRange, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PteSlot, Run, Va, VaRange};

use crate::folio;
use crate::pager::Pager;
use crate::thp::split;
use crate::va::va_range;

impl<A: Arch> Pager<'_, A> {
    /// Splits every anonymous folio of which the range has some pages but not all, unless others
    /// have it too.
    pub(crate) fn split_partly_covered(&self, vma: &Vma, range: PageRange) {
        let range = va_range(range);
        let runs: Vec<_> = self.tables().walk(range).map(|run| run.range).collect();
        for block in runs {
            if block.is_huge_block() && matches!(self.tables().leaf(block.start()), Leaf::Huge(_)) {
                continue;
            }
            if self.huge_is_ours(block.start()) {
                split::split(self, vma, block.start());
            }
            for (at, pfn) in self.large_pages(block) {
                if self.frames().is_large(pfn) && !self.covers_folio(range, at, pfn) {
                    self.split_folio_at(vma, at, pfn);
                }
            }
        }
    }

    /// Splits the folio that a page belongs to, unless others have it too.
    pub(crate) fn split_folio_at(&self, vma: &Vma, at: Va, pfn: Pfn) {
        let head = self.frames().head(pfn);
        if self.split_large(pfn) {
            self.map_unused_to_zero_page(vma, at, pfn, head);
        }
    }

    /// Is there a huge mapping of an anonymous folio that nobody else maps?
    fn huge_is_ours(&self, at: Va) -> bool {
        let Leaf::Huge(slot) = self.tables().leaf(at) else {
            return false;
        };
        Self::normal_page(slot.entry()).is_some_and(|head| {
            folio::is_anon(self.frames(), head) && self.frames().folio_mapcount(head) == 1
        })
    }

    fn large_pages(&self, block: VaRange) -> Vec<(Va, Pfn)> {
        let Leaf::Table(table) = self.tables().leaf(block.start()) else {
            return Vec::new();
        };
        block
            .page_addresses()
            .filter_map(|at| Some((at, Self::normal_page(table.get(at))?)))
            .filter(|&(_, pfn)| self.frames().is_large(pfn) && folio::is_anon(self.frames(), pfn))
            .collect()
    }

    /// Does the range have all pages of the folio, one after the other?
    fn covers_folio(&self, range: VaRange, at: Va, pfn: Pfn) -> bool {
        let head = self.frames().head(pfn);
        let Some(place) = folio_place(at, pfn, head) else {
            return false;
        };
        if place.start() < range.start() || place.end() > range.end() {
            return false;
        }
        let mut next = head;
        for Run { range, leaf } in self.tables().walk(place) {
            let Leaf::Table(table) = leaf else {
                return false;
            };
            for at in range.page_addresses() {
                if table.get(at).pfn() != Some(next) {
                    return false;
                }
                next = next.add(1);
            }
        }
        true
    }

    /// Pages of a folio just split that hold only zeroes give way to the zero page.
    fn map_unused_to_zero_page(&self, vma: &Vma, at: Va, pfn: Pfn, head: Pfn) {
        let whole = va_range(vma.range());
        let Some(place) = folio_place(at, pfn, head) else {
            return;
        };
        let start = place.start().max(whole.start());
        let end = place.end().min(whole.end());
        if vma.flags().contains(VmFlags::LOCKED) || start >= end {
            return;
        }
        for Run { range, leaf } in self.tables().walk(VaRange::new(start, end)) {
            let Leaf::Table(table) = leaf else { continue };
            for slot in table.slots(range) {
                self.drop_unused(vma, slot, head);
            }
        }
    }

    fn drop_unused(&self, vma: &Vma, slot: PteSlot<'_, A>, head: Pfn) {
        let old = slot.get();
        let Some(pfn) = Self::normal_page(old).filter(|&pfn| {
            let meta = self.frames().meta(pfn);
            head <= pfn
                && pfn < head.add(HUGE_PAGES)
                && meta.tag() == 0
                && !meta.has(FrameFlags::MLOCKED)
        }) else {
            return;
        };
        let zero = Entry::page(Pfn::ZERO_PAGE, self.page_prot(vma)).mk_special();
        let kind = folio::rss_kind(self.frames(), pfn);
        slot.set(if old.uffd_wp() {
            zero.with_uffd_wp(true)
        } else {
            zero
        });
        self.account_unmap(vma, pfn, kind);
    }
}

/// Where the whole folio would lie if its pages are mapped one after the other.
fn folio_place(at: Va, pfn: Pfn, head: Pfn) -> Option<VaRange> {
    let before = (pfn.get() - head.get()) * sim_core::PAGE_SIZE;
    let start = at.get().checked_sub(before)?;
    let start = Va::new(start);
    Some(VaRange::new(
        start,
        start.add(HUGE_PAGES * sim_core::PAGE_SIZE),
    ))
}
