//! Faults on swapped-out pages (`mm/memory.c: do_swap_page()`, 6.18).

use sim_core::{PMD_SIZE, PageRange, VmFlags};
use sim_pagetable::{
    Arch, Entry, EntryView, FrameFlags, Leaf, Pfn, PteSlot, PteTable, Run, SwapEntry, VaRange,
};

use super::Fault;
use crate::error::FaultError;
use crate::folio::{NEW_ANON, REFAULTED};
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::swap::SwapId;
use crate::va::{page_range, va, va_range};

/// Flags of a page that a fault or `MADV_WILLNEED` brings back.
const SWAPPED_IN: FrameFlags = NEW_ANON
    .difference(FrameFlags::ANON_EXCLUSIVE)
    .union(REFAULTED);

/// A page that was swapped out, with a reference for the fault.
struct SwappedIn {
    pfn: Pfn,
    /// It is in the swap cache, where other entries find it.
    in_cache: bool,
}

/// What one fault brings back: a page, or all of a huge one.
struct Extent {
    /// The entries.
    range: VaRange,
    /// The first of their pages.
    first: Pfn,
    /// The first of their places.
    slot: SwapId,
}

impl<A: Arch> Pager<'_, A> {
    /// Brings a page back from swap. A write to a page that others share faults once more.
    pub(super) fn swap_in(
        &self,
        fault: &Fault<'_>,
        old: Entry<A>,
        swapped: SwapEntry,
    ) -> Result<(), FaultError> {
        (fault.prepare)()?;
        let page = self.swapped_page(swapped.slot)?;
        let head = self.frames().head(page.pfn);
        if fault.is_write() && page.in_cache && !self.shared.lru.is_listed(head) {
            self.shared.drain_lru();
        }
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(head);
            return Ok(());
        };
        let extent = self.extent(fault, &table, swapped, page.pfn);
        let pages = extent.range.pages();
        self.rss().add(RssKind::Swap, -pages.cast_signed());
        for i in 0..pages {
            // Whatever is left in the swap cache is this page.
            let _ = self.shared.swap.release(extent.slot.add(i));
        }
        if page.in_cache && self.wants_to_free_swap(fault, head) {
            self.shared.free_swap(head);
        }
        let alone = swapped.exclusive || !page.in_cache || self.frames().refs(head) == 1;
        self.frames().get_many(head, pages as u32 - 1);
        for (slot, i) in table.slots(extent.range).zip(0..) {
            let pfn = extent.first.add(i);
            let entry = self.swapped_in_entry(fault, swapped, pfn, alone);
            self.account_map(fault.vma, pfn);
            slot.set(entry);
        }
        Ok(())
    }

    /// The entry of a page that has come back, which this process has for itself or not.
    fn swapped_in_entry(
        &self,
        fault: &Fault<'_>,
        swapped: SwapEntry,
        pfn: Pfn,
        alone: bool,
    ) -> Entry<A> {
        let mut entry = Entry::page(pfn, self.page_prot(fault.vma)).mk_young();
        if swapped.soft_dirty {
            entry = entry.with_soft_dirty(true);
        }
        if alone {
            self.frames()
                .meta(pfn)
                .set_flags(FrameFlags::ANON_EXCLUSIVE);
            let protected = swapped.uffd_wp && fault.uffd(VmFlags::UFFD_WP);
            if fault.is_write() && !protected {
                entry = entry.mk_dirty();
            }
            if !protected {
                entry = Self::maybe_write(fault, entry);
            }
        }
        if swapped.uffd_wp {
            entry = entry.with_uffd_wp(true);
        }
        entry
    }

    /// All of a huge page that is still in the swap cache, if the block that it was mapped to still
    /// has its entries, all alike (`mm/memory.c: swap_pte_batch()`); otherwise one page.
    fn extent(
        &self,
        fault: &Fault<'_>,
        table: &PteTable<'_, A>,
        swapped: SwapEntry,
        pfn: Pfn,
    ) -> Extent {
        let at = va(fault.addr);
        let one = Extent {
            range: VaRange::page(at),
            first: pfn,
            slot: swapped.slot,
        };
        let head = self.frames().head(pfn);
        let index = pfn.get() - head.get();
        if !self.frames().is_large(pfn) || at.pte_index() as u64 != index {
            return one;
        }
        let block = VaRange::new(at.huge_down(), at.huge_down().add(PMD_SIZE));
        let whole = Extent {
            range: block,
            first: head,
            slot: SwapId {
                offset: swapped.slot.offset - index,
                ..swapped.slot
            },
        };
        let alike = |(slot, i): (PteSlot<'_, A>, u64)| {
            let expected = SwapEntry {
                slot: whole.slot.add(i),
                ..swapped
            };
            slot.get().view() == EntryView::Swap(expected)
        };
        let fits = fault.vma.range().contains_range(page_range(block));
        if fits && table.slots(block).zip(0..).all(alike) {
            whole
        } else {
            one
        }
    }

    /// The page in the swap cache, or a new one, which enters the swap cache unless this entry alone
    /// has it and the device answers at once.
    fn swapped_page(&self, slot: SwapId) -> Result<SwappedIn, FaultError> {
        let swap = &self.shared.swap;
        let cached = |pfn| SwappedIn {
            pfn,
            in_cache: true,
        };
        if let Some(pfn) = swap.cached(slot, self.frames()) {
            return Ok(cached(pfn));
        }
        let page = swap.get(slot).ok_or(FaultError::Bus)?;
        if page.refs > 1 || !swap.device().is_synchronous() {
            let pfn = self.shared.read_swap(slot, page.content, SWAPPED_IN)?;
            return Ok(cached(pfn));
        }
        let pfn = self.alloc_frame(SWAPPED_IN)?;
        self.frames().meta(pfn).set_tag(page.content);
        Ok(SwappedIn {
            pfn,
            in_cache: false,
        })
    }

    /// Is it worth trying to give the place back: for want of swap, for memory that is locked anyway,
    /// or to be alone with a page that is to be written (`mm/memory.c: should_try_to_free_swap()`)?
    fn wants_to_free_swap(&self, fault: &Fault<'_>, head: Pfn) -> bool {
        let locked = fault.vma.flags().contains(VmFlags::LOCKED)
            || self.frames().meta(head).has(FrameFlags::MLOCKED);
        let references = self.frames().refs(head) + self.shared.lru.uncounted(head);
        let likely_alone = references == 1 + self.shared.pages_of(head);
        locked || self.shared.swap.is_full() || fault.is_write() && likely_alone
    }

    /// Must a disk be waited for to read a page? Then it is in the swap cache afterwards. Pages of
    /// zeroes are not on the disk.
    pub(crate) fn begin_to_read(&self, slot: SwapId) -> bool {
        let swap = &self.shared.swap;
        let page = swap.get(slot).filter(|page| page.cached.is_none());
        let waits = !swap.device().is_synchronous() && page.is_some_and(|page| !page.zeroes);
        if waits {
            self.shared.read_ahead_swap(slot, SWAPPED_IN);
        }
        waits
    }

    /// Reads the swapped-out pages of a part of a VMA into the swap cache
    /// (`mm/madvise.c: swapin_walk_pmd_entry()`).
    pub(crate) fn read_ahead_swap(&self, part: PageRange) {
        for Run { range, leaf } in self.tables().walk(va_range(part)) {
            let Leaf::Table(table) = leaf else { continue };
            let swapped: Vec<_> = table
                .slots(range)
                .filter_map(|slot| match slot.get().view() {
                    EntryView::Swap(swapped) => Some(swapped.slot),
                    EntryView::None
                    | EntryView::Present(_)
                    | EntryView::Marker(_)
                    | EntryView::Migration(_)
                    | EntryView::HwPoison(_)
                    | EntryView::Device(..) => None,
                })
                .collect();
            drop(table);
            for slot in swapped {
                self.shared.read_ahead_swap(slot, SWAPPED_IN);
            }
        }
    }
}
