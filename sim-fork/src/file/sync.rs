//! `msync`: writing dirty pages back (`mm/page-writeback.c: folio_clear_dirty_for_io()`,
//! `mm/rmap.c: folio_mkclean()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Errno, FileRef, MappedKind, SyscallRange, VmFlags};
use sim_pagetable::{Arch, FrameFlags, Leaf, Pfn};

use super::{CachedPage, FileObject, for_each_mapping};
use crate::machine::Machine;
use crate::space::AddressSpace;
use crate::va::va;

/// `msync(2)` with `MS_SYNC`.
pub(crate) fn msync<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
) -> Result<(), Errno> {
    let mut parts = Vec::new();
    let result = space.read().msync(range, |file, vma, part| {
        let first = vma.pgoff_of(part.start()).get();
        parts.push((file, first, first + part.pages()));
        Ok(())
    });
    for (file, first, end) in parts {
        write_back(machine, file, first, end);
    }
    result
}

/// Cleans the pages of a part of a file. Shared memory has nowhere to be written to.
pub(crate) fn write_back<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileRef,
    first: u64,
    end: u64,
) {
    let Some(object) = machine.shared().files.get(file.id) else {
        return;
    };
    if file.kind != MappedKind::Regular {
        return;
    }
    let frames = &machine.shared().frames;
    let dirty: Vec<_> = object
        .lock()
        .pages_from(first)
        .take_while(|&(index, _)| index < end)
        .filter_map(|(index, page)| match page {
            CachedPage::Present(pfn) => Some((index, pfn)),
            CachedPage::Swapped(_) | CachedPage::OnDisk(_) => None,
        })
        .filter(|&(_, pfn)| frames.meta(pfn).has(FrameFlags::DIRTY))
        .collect();
    for (index, pfn) in dirty {
        frames
            .meta(pfn)
            .clear_flags(FrameFlags::DIRTY | FrameFlags::RECLAIM);
        object.lock().written(index);
        clean_mappings(machine, &object, index, pfn);
    }
}

/// Write-protects and cleans every shared mapping of a page (`page_mkclean_one()`).
fn clean_mappings<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    object: &FileObject,
    index: u64,
    pfn: Pfn,
) {
    for_each_mapping(
        machine,
        object.file(),
        (index, index + 1),
        |pager, vma, page| {
            if !vma.flags().contains(VmFlags::SHARED) {
                return;
            }
            let at = va(page.start());
            match pager.tables().leaf(at) {
                Leaf::Table(table) if table.get(at).pfn() == Some(pfn) => {
                    table.set(at, table.get(at).wrprotect().mk_clean());
                }
                Leaf::Huge(slot) if slot.entry().is_present() => {
                    slot.change(slot.entry().wrprotect().mk_clean());
                }
                Leaf::Table(_) | Leaf::Huge(_) | Leaf::Absent => {}
            }
        },
    );
}
