//! Writes to write-protected pages (`mm/memory.c: do_wp_page()`, 6.19).

use sim_core::{UffdFeatures, VmFlags};
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Pfn};

use super::Fault;
use crate::error::FaultError;
use crate::folio;
use crate::pager::{Pager, has_page_mkwrite};
use crate::rss::RssKind;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Userfault, shared write, reuse, or copy.
    pub(super) fn write_protected(
        &self,
        fault: &Fault<'_>,
        entry: Entry<A>,
    ) -> Result<(), FaultError> {
        let mut entry = entry;
        if fault.uffd(VmFlags::UFFD_WP) && entry.is_uffd_wp() {
            if !self.shared.uffd_features().contains(UffdFeatures::WP_ASYNC) {
                return Err(self.userfault());
            }
            let Some(table) = self.unchanged(fault, entry) else {
                return Ok(());
            };
            entry = entry.with_uffd_wp(false);
            table.set(va(fault.addr), entry);
        }
        let page = Self::normal_page(entry);
        if fault
            .vma
            .flags()
            .intersects(VmFlags::SHARED | VmFlags::MAYSHARE)
        {
            self.write_shared(fault, entry, page);
            return Ok(());
        }
        match page {
            Some(pfn) if self.may_reuse(pfn) => {
                self.frames()
                    .meta(pfn)
                    .set_flags(FrameFlags::ANON_EXCLUSIVE);
                self.reuse(fault, entry);
                Ok(())
            }
            Some(_) | None => self.copy_on_write(fault, entry, page),
        }
    }

    /// `mm/memory.c: wp_page_shared()`, `wp_pfn_shared()`.
    fn write_shared(&self, fault: &Fault<'_>, entry: Entry<A>, page: Option<Pfn>) {
        if let Some(pfn) = page
            && fault.vma.file().is_some_and(has_page_mkwrite)
        {
            folio::mark_dirty(self.frames(), pfn);
        }
        self.reuse(fault, entry);
        if let Some(pfn) = page {
            folio::mark_dirty(self.frames(), pfn);
        }
    }

    /// `mm/memory.c: wp_page_reuse()`.
    fn reuse(&self, fault: &Fault<'_>, old: Entry<A>) {
        if let Some(table) = self.unchanged(fault, old) {
            let new = Self::maybe_write(fault, old.mk_young().mk_dirty());
            table.set(va(fault.addr), new);
        }
    }

    /// Is this process the only one that can reach the page? (`PageAnonExclusive()`,
    /// `mm/memory.c: wp_can_reuse_anon_folio()`)
    fn may_reuse(&self, pfn: Pfn) -> bool {
        let flags = folio::flags_of(self.frames(), pfn);
        if !flags.contains(FrameFlags::ANON) {
            return false;
        }
        if flags.contains(FrameFlags::ANON_EXCLUSIVE) {
            return true;
        }
        if flags.contains(FrameFlags::KSM) {
            return false;
        }
        if self.frames().is_large(pfn) {
            return self.may_reuse_large(pfn);
        }
        self.may_reuse_small(pfn)
    }

    /// References from batches count, but those of batches that can be drained for it: if the page
    /// waits for its first list. That of the swap cache can be got rid of if no entry needs it.
    fn may_reuse_small(&self, pfn: Pfn) -> bool {
        let lru = &self.shared.lru;
        if self.frames().refs(pfn) + lru.uncounted(pfn) > 3 {
            return false;
        }
        if !lru.is_listed(pfn) {
            self.shared.drain_lru();
        }
        let cached = self.frames().meta(pfn).has(FrameFlags::SWAPCACHE);
        if self.frames().refs(pfn) > 1 + u32::from(cached) {
            return false;
        }
        if cached {
            self.shared.free_swap(pfn);
        }
        self.frames().refs(pfn) == 1
    }

    /// Are all references to a large folio mappings of this process? One of which a single page is
    /// left is given up (`__wp_can_reuse_large_anon_folio()`). Those of the swap cache can be got rid
    /// of here, too.
    fn may_reuse_large(&self, pfn: Pfn) -> bool {
        let frames = self.frames();
        let head = frames.head(pfn);
        let mappings = frames.folio_mapcount(head);
        let swapped = frames.meta(head).has(FrameFlags::SWAPCACHE);
        let cached = u32::from(swapped) * HUGE_PAGES as u32;
        let ours = mappings > 1 && !frames.is_maybe_shared(head);
        ours && mappings + cached == frames.refs(head) && (!swapped || self.shared.free_swap(head))
    }

    /// `mm/memory.c: wp_page_copy()`.
    fn copy_on_write(
        &self,
        fault: &Fault<'_>,
        old: Entry<A>,
        page: Option<Pfn>,
    ) -> Result<(), FaultError> {
        (fault.prepare)()?;
        let copy = self.alloc_frame(folio::new_anon(fault.vma))?;
        let content = old.pfn().map_or(0, |pfn| self.content(pfn));
        self.frames().meta(copy).set_tag(content);
        let entry = Entry::page(copy, self.page_prot(fault.vma)).mk_young();
        let entry = Self::maybe_write(fault, entry.mk_dirty());
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(copy);
            return Ok(());
        };
        self.account_new(fault.vma, copy);
        table.set(va(fault.addr), entry);
        drop(table);
        if let Some(pfn) = page {
            let kind = folio::rss_kind(self.frames(), pfn);
            debug_assert!(kind != RssKind::Swap);
            self.account_unmap(fault.vma, pfn, kind);
        }
        Ok(())
    }
}
