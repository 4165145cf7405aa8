//! `MADV_COLD` and `MADV_PAGEOUT` (`mm/madvise.c: madvise_cold_or_pageout_pte_range()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{Advice, Errno, Outcome, PageRange, VirtAddr, Vma};
use sim_pagetable::{Arch, FrameFlags, HUGE_PAGES, Leaf, Pfn, PmdSlot, Run, VaRange};

use crate::folio;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::reclaim::{self, Whole};
use crate::thp;
use crate::va::{addr, va, va_range};

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Deactivates.
    Cold,
    /// Reclaims.
    Pageout,
}

/// Deactivates or reclaims the pages of a range.
pub(super) fn madvise<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: PageRange,
    advice: Advice,
) -> Outcome {
    let pager = Pager::new(machine.shared(), &process.space.pages);
    let kind = if advice == Advice::Cold {
        Kind::Cold
    } else {
        Kind::Pageout
    };
    let mm = process.space.read_recursive();
    let done = mm.madvise_pages::<Errno>(range, advice, |_, vma, part| {
        pager.cool(vma, part, kind);
        Ok(())
    });
    done.into()
}

impl<A: Arch> Pager<'_, A> {
    fn cool(&self, vma: &Vma, part: PageRange, kind: Kind) {
        self.shared.drain_lru();
        let blocks: Vec<_> = self
            .tables()
            .walk(va_range(part))
            .map(|run| run.range)
            .collect();
        for block in blocks {
            self.cool_block(vma, block, kind);
        }
    }

    /// The pages of one 2 MiB block.
    fn cool_block(&self, vma: &Vma, block: VaRange, kind: Kind) {
        if let Leaf::Huge(slot) = self.tables().leaf(block.start()) {
            let head = slot.entry().pfn();
            if !self.cool_huge(slot, block, kind) {
                return;
            }
            if let Some(head) = head.filter(|_| block.is_huge_block())
                && self.pageout_whole(vma, block, head)
            {
                return;
            }
            self.break_up(vma, block);
        }
        let whole = thp::split::split_partial(self, vma, block);
        if kind == Kind::Pageout {
            for &head in &whole {
                let only = self.frames().folio_mapcount(head) == HUGE_PAGES as u32;
                if only
                    && !self.pageout_whole(vma, block, head)
                    && folio::is_anon(self.frames(), head)
                {
                    thp::split::split_folio(self, vma, block.start(), head);
                }
            }
        }
        let picked = self.pick(block, kind, &whole);
        for (at, pfn) in picked {
            reclaim::pageout(self, vma, at, pfn);
        }
    }

    /// A huge page as a whole; true if it is to become single pages first.
    fn cool_huge(&self, slot: PmdSlot<'_, A>, block: VaRange, kind: Kind) -> bool {
        let entry = slot.entry();
        let Some(head) = Self::normal_page(entry) else {
            return false;
        };
        if self.frames().folio_mapcount(head) != 1 {
            return false;
        }
        if block.is_huge_block() && kind == Kind::Cold {
            slot.change(entry.mk_old());
            self.frames().meta(head).clear_flags(FrameFlags::REFERENCED);
            self.shared.lru.deactivate(self.frames(), head);
            return false;
        }
        true
    }

    /// Swaps an anonymous huge page out that only this block maps; false if it is to be split.
    fn pageout_whole(&self, vma: &Vma, block: VaRange, head: Pfn) -> bool {
        folio::is_anon(self.frames(), head)
            && reclaim::pageout_whole(self, vma, block, head) == Whole::Settled
    }

    /// Splits a huge mapping and its folio (`split_folio()`). A huge page of an object that is
    /// reclaimed whole is only unmapped.
    fn break_up(&self, vma: &Vma, block: VaRange) {
        let Leaf::Huge(slot) = self.tables().leaf(block.start()) else {
            return;
        };
        let head = slot.entry().pfn();
        drop(slot);
        thp::split::split(self, vma, block.start());
        let Some(head) = head else { return };
        let whole_object = !folio::is_anon(self.frames(), head) && block.is_huge_block();
        if !whole_object {
            thp::split::split_folio(self, vma, block.start(), head);
        }
    }

    /// Cools pages that nobody else maps, and says which are to be reclaimed.
    fn pick(&self, block: VaRange, kind: Kind, whole: &[Pfn]) -> Vec<(VirtAddr, Pfn)> {
        let mut picked = Vec::new();
        for Run { range, leaf } in self.tables().walk(block) {
            let Leaf::Table(table) = leaf else { continue };
            for at in range.page_addresses() {
                let entry = table.get(at);
                let Some(pfn) = Self::normal_page(entry) else {
                    continue;
                };
                let head = self.frames().head(pfn);
                let pages = match self.frames().is_large(pfn) {
                    true if whole.contains(&head) => HUGE_PAGES as u32,
                    true => continue,
                    false => 1,
                };
                if self.frames().folio_mapcount(pfn) != pages {
                    continue;
                }
                self.frames().meta(head).clear_flags(FrameFlags::REFERENCED);
                match kind {
                    Kind::Cold => {
                        table.set(va(addr(at)), entry.mk_old());
                        self.shared.lru.deactivate(self.frames(), head);
                    }
                    Kind::Pageout => picked.push((addr(at), pfn)),
                }
            }
        }
        picked
    }
}
