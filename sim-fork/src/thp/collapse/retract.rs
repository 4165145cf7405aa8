//! Making way for a huge page of an object (`mm/khugepaged.c: retract_page_tables()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Features, FileRef, PMD_SIZE, VmFlags, Vma};
use sim_pagetable::Arch;

use super::{has_uffd, require_table};
use crate::file::for_each_mapping;
use crate::machine::Machine;
use crate::va::va;

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
        if require_table(pager, at).is_err() {
            return;
        }
        if let Some(slot) = pager.tables().pmd(va(at)) {
            let (table, flush) = slot.take_table();
            drop(table);
            pager.tables().flush(flush);
        }
    });
}

/// May what is left in the tables be thrown away? Private copies may not, nor what userfaultfd or,
/// since guards no longer give a file mapping an anon_vma, guards have left there
/// (`file_backed_vma_is_retractable()`).
fn is_retractable(features: &Features, vma: &Vma) -> bool {
    let guards = features.collapse_checks_guard && vma.flags().contains(VmFlags::MAYBE_GUARD);
    vma.anon_vma().is_none() && !has_uffd(vma, VmFlags::UFFD_WP) && !guards
}
