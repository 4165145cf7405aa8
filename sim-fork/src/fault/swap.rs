//! Faults on swapped-out pages (`mm/memory.c: do_swap_page()`, 6.18).

use sim_core::{PageRange, VmFlags};
use sim_pagetable::{Arch, Entry, EntryView, FrameFlags, Leaf, Pfn, Run, SwapEntry};

use super::Fault;
use crate::error::FaultError;
use crate::folio::NEW_ANON;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::swap::SwapId;
use crate::va::{va, va_range};

/// Flags of a page that a fault or `MADV_WILLNEED` brings back.
const SWAPPED_IN: FrameFlags = NEW_ANON.difference(FrameFlags::ANON_EXCLUSIVE);

/// A page that was swapped out, with a reference for the fault.
struct SwappedIn {
    pfn: Pfn,
    /// It is in the swap cache, where other entries find it.
    in_cache: bool,
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
        let pfn = page.pfn;
        if fault.is_write() && page.in_cache && !self.shared.lru.is_listed(pfn) {
            self.shared.drain_lru();
        }
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(pfn);
            return Ok(());
        };
        self.rss().add(RssKind::Swap, -1);
        // Whatever is left in the swap cache is this page.
        let _ = self.shared.swap.release(swapped.slot);
        if page.in_cache && self.wants_to_free_swap(fault, pfn) {
            self.shared.free_swap(pfn);
        }
        let alone = swapped.exclusive || !page.in_cache || self.frames().refs(pfn) == 1;
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
        self.account_map(fault.vma, pfn);
        table.set(va(fault.addr), entry);
        Ok(())
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
    fn wants_to_free_swap(&self, fault: &Fault<'_>, pfn: Pfn) -> bool {
        let locked = fault.vma.flags().contains(VmFlags::LOCKED)
            || self.frames().meta(pfn).has(FrameFlags::MLOCKED);
        let references = self.frames().refs(pfn) + self.shared.lru.uncounted(pfn);
        locked || self.shared.swap.is_full() || fault.is_write() && references == 2
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
