//! Faults on swapped-out pages (`mm/memory.c: do_swap_page()`, 6.19).

use sim_core::VmFlags;
use sim_pagetable::{Arch, Entry, FrameFlags, Pfn, SwapEntry};

use super::Fault;
use crate::error::FaultError;
use crate::folio::NEW_ANON;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::swap::SwapId;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Brings a page back from swap. A write to a page that others share faults once more.
    pub(super) fn swap_in(
        &self,
        fault: &Fault<'_>,
        old: Entry<A>,
        swapped: SwapEntry,
    ) -> Result<(), FaultError> {
        (fault.prepare)()?;
        let pfn = self.swapped_page(swapped.slot)?;
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(pfn);
            return Ok(());
        };
        self.rss().add(RssKind::Swap, -1);
        self.release_swap(swapped.slot);
        let alone = swapped.exclusive || self.frames().refs(pfn) == 1;
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

    /// The frame of a swapped-out page, with a reference for the caller: the swap cache's, or a new
    /// one, which enters the swap cache if others will want it.
    fn swapped_page(&self, slot: SwapId) -> Result<Pfn, FaultError> {
        let page = self.shared.swap.get(slot).ok_or(FaultError::Bus)?;
        if let Some(pfn) = page.cached {
            self.frames().get(pfn);
            return Ok(pfn);
        }
        let flags = NEW_ANON - FrameFlags::ANON_EXCLUSIVE;
        let pfn = self.alloc_frame(flags)?;
        self.frames().meta(pfn).set_tag(page.content);
        if page.refs > 1 {
            self.frames().get(pfn);
            self.frames().meta(pfn).set_flags(FrameFlags::SWAPCACHE);
            self.shared.swap.set_cached(slot, Some(pfn));
        }
        Ok(pfn)
    }

    /// An entry for a place in swap is gone; with the last one the swap cache lets go of the page.
    pub(crate) fn release_swap(&self, slot: SwapId) {
        if let Some(cached) = self.shared.swap.release(slot) {
            self.frames()
                .meta(cached)
                .clear_flags(FrameFlags::SWAPCACHE);
            self.frames().put(cached);
        }
    }
}
