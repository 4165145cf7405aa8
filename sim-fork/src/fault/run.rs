//! First writes to neighbouring pages of private anonymous memory, with one look at their table
//! instead of four for each.
//!
//! Nothing else comes of it than from one fault after the other: what needs more than a new page,
//! or a failure to come, ends the run, and the usual fault goes on from there.

use sim_core::{Access, PMD_PAGES, PageRange, VirtAddr, Vma};
use sim_pagetable::{Arch, Entry, Leaf, PteSlot};

use crate::access::accessed;
use crate::folio;
use crate::pager::Pager;
use crate::va::{va, va_range};

impl<A: Arch> Pager<'_, A> {
    /// Writes to `most` pages of a VMA that allows it, from `start` on, or as far as the VMA and the
    /// page table go. How many pages were written to.
    pub(crate) fn write_run(
        &self,
        vma: &Vma,
        start: VirtAddr,
        most: u64,
        value: Option<u8>,
    ) -> u64 {
        let plain = vma.is_anon() && vma.uffd().is_none() && vma.anon_vma().is_some();
        if !plain || self.shared.fail().is_armed() {
            return 0;
        }
        let Leaf::Table(table) = self.tables().leaf(va(start)) else {
            return 0;
        };
        let in_table = PMD_PAGES - start.page_number() % PMD_PAGES;
        let in_vma = vma.end().page_number() - start.page_number();
        let range = PageRange::from_pages(start, most.min(in_table).min(in_vma));
        let slots = table.slots(va_range(range));
        slots
            .take_while(|slot| self.write_slot(vma, *slot, value))
            .count() as u64
    }

    /// False if the entry needs a fault of its own.
    fn write_slot(&self, vma: &Vma, slot: PteSlot<'_, A>, value: Option<u8>) -> bool {
        let entry = slot.get();
        let pfn = if entry == Entry::NONE {
            let Ok(pfn) = self.alloc_frame(folio::new_anon(vma)) else {
                return false;
            };
            let new = Entry::page(pfn, self.page_prot(vma)).mk_young().mk_dirty();
            self.account_new(vma, pfn);
            slot.set(new.mk_write());
            pfn
        } else {
            let written = accessed(self, entry, Access::Write(None));
            let Some((new, pfn)) = written.zip(entry.pfn()) else {
                return false;
            };
            slot.set(new);
            pfn
        };
        if let Some(value) = value {
            self.store(pfn, value);
        }
        true
    }
}
