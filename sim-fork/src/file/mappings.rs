//! Every mapping of an object, in every process: what Linux finds through `i_mmap`.

use sim_core::store::VmaStore;
use sim_core::{FileRef, PageRange, Vma};
use sim_pagetable::Arch;

use crate::machine::Machine;
use crate::pageops::{ZapMode, pages_of_object};
use crate::pager::Pager;

/// Calls `act` for the part of each VMA, in whatever process, that maps pages `[first, end)` of an
/// object (`vma_interval_tree_foreach()`).
pub(crate) fn for_each_mapping<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileRef,
    (first, end): (u64, u64),
    mut act: impl FnMut(&Pager<'_, A>, &Vma, PageRange),
) {
    for space in machine.spaces() {
        let mm = space.read_recursive();
        let pager = Pager::new(machine.shared(), &space.pages);
        for (_, vma) in mm.iter() {
            if vma.file() != Some(file) {
                continue;
            }
            if let Some(part) = pages_of_object(vma, first, end) {
                act(&pager, vma, part);
            }
        }
    }
}

/// Removes the entries that map pages `[first, end)` of an object, in every process
/// (`mm/memory.c: unmap_mapping_pages()`).
pub(super) fn unmap<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileRef,
    pages: (u64, u64),
    mode: ZapMode,
) {
    for_each_mapping(machine, file, pages, |pager, vma, part| {
        pager.zap(vma, part, mode);
    });
}
