//! The first access to a page of private anonymous memory (`mm/memory.c: do_anonymous_page()`).

use sim_core::VmFlags;
use sim_pagetable::{Arch, Entry, Pfn};

use super::Fault;
use crate::error::FaultError;
use crate::folio;
use crate::pager::Pager;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Maps the zero page for a read, a new page for a write. There is a PTE table.
    pub(super) fn anonymous(&self, fault: &Fault<'_>, old: Entry<A>) -> Result<(), FaultError> {
        if fault.is_write() {
            self.new_anonymous(fault, old)
        } else {
            self.map_zero_page(fault, old)
        }
    }

    /// The zero page is special: not counted, no anon_vma.
    fn map_zero_page(&self, fault: &Fault<'_>, old: Entry<A>) -> Result<(), FaultError> {
        let entry = Entry::page(Pfn::ZERO_PAGE, self.page_prot(fault.vma)).mk_special();
        let Some(table) = self.unchanged(fault, old) else {
            return Ok(());
        };
        if fault.uffd(VmFlags::UFFD_MISSING) {
            return Err(self.userfault());
        }
        table.set(va(fault.addr), Self::keep_uffd_wp(fault, old, entry));
        Ok(())
    }

    fn new_anonymous(&self, fault: &Fault<'_>, old: Entry<A>) -> Result<(), FaultError> {
        (fault.prepare)()?;
        let pfn = self.alloc_frame(folio::new_anon(fault.vma))?;
        let prot = self.page_prot(fault.vma);
        let entry = Self::maybe_write(fault, Entry::page(pfn, prot).mk_young().mk_dirty());
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(pfn);
            return Ok(());
        };
        if fault.uffd(VmFlags::UFFD_MISSING) {
            drop(table);
            self.frames().put(pfn);
            return Err(self.userfault());
        }
        self.account_new(fault.vma, pfn);
        table.set(va(fault.addr), Self::keep_uffd_wp(fault, old, entry));
        Ok(())
    }
}
