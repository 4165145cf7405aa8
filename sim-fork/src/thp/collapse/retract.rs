//! Making way for a huge page of an object (`mm/khugepaged.c: retract_page_tables()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Features, FileRef, PMD_SIZE, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, PteTable};
use sim_sync::{Mutant, prim};

use super::has_uffd;
use crate::file::for_each_mapping;
use crate::machine::Machine;
use crate::va::{va, va_range};

/// Takes the PTE tables of the pages from `first` out of every mapping, so that the next fault
/// maps the huge page whole. The tables' pages were unmapped before.
pub(super) fn retract<A: Arch, S: VmaStore>(machine: &Machine<A, S>, file: FileRef, first: u64) {
    let features = machine.shared().features();
    for_each_mapping(machine, file, (first, first + 1), |pager, vma, page| {
        let at = page.start();
        let end = at.get().saturating_add(PMD_SIZE);
        if !at.is_pmd_aligned() || vma.end().get() < end || !is_retractable(features, vma) {
            return;
        }
        prim::crossing();
        let Some(slot) = pager.tables().pmd(va(at)) else {
            return;
        };
        let Some(table) = slot.lock_table() else {
            return;
        };
        // Neither mmap_lock nor the VMA's lock keeps guards from being installed: the flag is set
        // before this lock is taken to write them.
        let retractable = Mutant::RetractTestsEarly.is_active() || is_retractable(features, vma);
        if !retractable || has_pages(&table) {
            return;
        }
        let (table, flush) = slot.take_table(table);
        drop(table);
        pager.tables().flush(flush);
    });
}

/// Has another thread mapped pages since the old ones were unmapped?
fn has_pages<A: Arch>(table: &PteTable<'_, A>) -> bool {
    let block = va_range(super::range_of(VirtAddr::new(table.base().get())));
    table.slots(block).any(|slot| slot.get().is_present())
}

/// May what is left in the tables be thrown away? Private copies may not, nor what userfaultfd or,
/// since guards no longer give a file mapping an anon_vma, guards have left there
/// (`file_backed_vma_is_retractable()`).
fn is_retractable(features: &Features, vma: &Vma) -> bool {
    let guards = features.collapse_checks_guard && vma.flags().contains(VmFlags::MAYBE_GUARD);
    vma.anon_vma().is_none() && !has_uffd(vma, VmFlags::UFFD_WP) && !guards
}
