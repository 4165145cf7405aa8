//! Fault-around: a read fault in a file maps its neighbours too, if they are in the page cache
//! (`mm/memory.c: do_fault_around()`, `mm/filemap.c: filemap_map_pages()`, 6.19).

use sim_core::{FileRef, MappedKind, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, Va, VaRange};

use super::Fault;
use crate::error::FaultError;
use crate::file::{FileObject, Lookup};
use crate::pager::Pager;
use crate::thp;
use crate::va::{addr, va};

/// The pages around a fault: an aligned window of `pages` that slides up where the VMA starts later,
/// and ends with the VMA or the page table.
fn window(vma: &Vma, fault: VirtAddr, pages: u64) -> VaRange {
    let index = va(fault).pte_index() as u64;
    let offset = fault.page_number() - vma.start().page_number();
    let from = (index - index % pages).max(index - index.min(offset));
    let to = (from + pages)
        .min(HUGE_PAGES)
        .min(index + vma.pages() - offset);
    let base = va(fault).huge_down();
    VaRange::new(
        base.add(from * sim_core::PAGE_SIZE),
        base.add(to * sim_core::PAGE_SIZE),
    )
}

impl<A: Arch> Pager<'_, A> {
    /// Maps cached pages around a read fault. True if the faulting one was among them.
    pub(super) fn fault_around(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
        file: FileRef,
    ) -> Result<bool, FaultError> {
        let watched = VmFlags::UFFD_WP | VmFlags::UFFD_MINOR;
        let watched = fault.vma.uffd().is_some() && fault.vma.flags().intersects(watched);
        if watched || self.fault_around_pages() <= 1 {
            return Ok(false);
        }
        let cached = self.cached_around(fault, object);
        let Some((first, _)) = cached.first() else {
            return Ok(false);
        };
        if thp::object::map_cached(self, fault, object, cached[0])? {
            return Ok(true);
        }
        // Where the first page found is the file's last one, nobody installs the page table that
        // the kernel has allocated for the window (filemap_map_pmd() is not called then).
        let last = object.lock().size_in_pages() <= fault.vma.pgoff_of(addr(*first)).get() + 1;
        let no_table = || matches!(self.tables().leaf(va(fault.addr)), Leaf::Absent);
        if last && file.kind == MappedKind::Regular && no_table() {
            return Ok(false);
        }
        let prot = self.page_prot(fault.vma);
        let Leaf::Table(table) = self.tables().leaf_alloc(va(fault.addr))? else {
            return Ok(false);
        };
        let mut mapped = false;
        for (page, pfn) in self.with_whole_folios(fault, object, &cached) {
            let slot = table.slot(page);
            if !slot.get().is_none() {
                continue;
            }
            let is_fault = page == va(fault.addr);
            let entry = Entry::page(pfn, prot);
            let old = !is_fault && self.prefaults_old();
            slot.set(if old {
                entry.mk_old()
            } else {
                entry.mk_young()
            });
            self.frames().get(pfn);
            self.account_map(fault.vma, pfn);
            mapped |= is_fault;
        }
        Ok(mapped)
    }

    /// The most pages that a fault maps (`fault_around_pages`).
    fn fault_around_pages(&self) -> u64 {
        self.shared.setup.fault_around.pages()
    }

    /// The cached pages around a fault: those of the window.
    fn cached_around(&self, fault: &Fault<'_>, object: &FileObject) -> Vec<(Va, Pfn)> {
        window(fault.vma, fault.addr, self.fault_around_pages())
            .page_addresses()
            .filter_map(|page| Some((page, self.cached_page(object, fault.vma, addr(page))?)))
            .collect()
    }

    /// These pages, and with them all of each large folio that fits, even beyond the end of the
    /// object (`filemap_map_folio_range()`).
    fn with_whole_folios(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
        cached: &[(Va, Pfn)],
    ) -> Vec<(Va, Pfn)> {
        let mut pages = Vec::with_capacity(cached.len());
        let mut done = Va::new(0);
        for &(at, pfn) in cached {
            if at < done {
                continue;
            }
            match thp::object::whole_folio(self, fault, object, (at, pfn)) {
                Some((range, head)) => {
                    pages.extend(range.page_addresses().zip((0..).map(|i| head.add(i))));
                    done = range.end();
                }
                None => pages.push((at, pfn)),
            }
        }
        pages
    }

    /// The page of the cache for an address, without making one. What reclaim waits for is left
    /// out, since its mark is the one for reading on (`mm/filemap.c: next_uptodate_folio()`).
    fn cached_page(&self, object: &FileObject, vma: &Vma, at: VirtAddr) -> Option<Pfn> {
        let index = vma.pgoff_of(at).get();
        let mut state = object.lock();
        match state.lookup(index) {
            Lookup::Present(pfn) => {
                let marked = self.frames().meta(pfn).has(FrameFlags::RECLAIM);
                (!marked).then_some(pfn)
            }
            Lookup::Pristine(content) => {
                crate::file::materialize(self.shared, object, &mut state, index, content).ok()
            }
            Lookup::Swapped(_) | Lookup::OnDisk(_) | Lookup::Hole | Lookup::Beyond => None,
        }
    }
}
