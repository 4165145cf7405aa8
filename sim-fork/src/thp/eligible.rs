//! Which VMAs may have huge pages (`mm/huge_memory.c: __thp_vma_allowable_orders()`, 6.19).
//!
//! Of the sizes that Linux knows there are two here, as its defaults have it: a page and a PMD.
//! `shmem_enabled` is `never`, its default: shared memory has huge pages where it is collapsed.

use sim_core::{MappedKind, PMD_PAGES, PMD_SIZE, ThpEnabled, VirtAddr, VmFlags, Vma};

use crate::shared::Shared;

/// Who asks (`enum tva_type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Purpose {
    /// `/proc/PID/smaps`.
    Smaps,
    /// A page fault in an empty block.
    PageFault,
    /// khugepaged.
    Khugepaged,
    /// `MADV_COLLAPSE`, which ignores the settings.
    Collapse,
}

/// May the VMA, with these flags, have huge pages?
pub(crate) fn allowed(shared: &Shared, vma: &Vma, flags: VmFlags, purpose: Purpose) -> bool {
    if purpose != Purpose::Collapse && !enabled(shared, flags) {
        return false;
    }
    if flags.contains(VmFlags::NOHUGEPAGE) {
        return false;
    }
    let by_khugepaged = matches!(purpose, Purpose::Khugepaged | Purpose::Collapse);
    if by_khugepaged && flags.intersects(VmFlags::NO_KHUGEPAGED) {
        return false;
    }
    if purpose != Purpose::PageFault && !is_suitable(vma, last_block(vma)) {
        return false;
    }
    match vma.file().map(|file| file.kind) {
        None => vma.anon_vma().is_some() || !by_khugepaged,
        Some(MappedKind::Memfd | MappedKind::DevZero) => purpose == Purpose::Collapse,
        Some(MappedKind::Regular) => {
            purpose != Purpose::PageFault && shared.setup.thp.read_only_thp_for_fs
        }
        Some(MappedKind::Pfnmap | MappedKind::Mixedmap) => false,
    }
}

/// Does `enabled` allow it, given what was advised?
fn enabled(shared: &Shared, flags: VmFlags) -> bool {
    match shared.setup.thp.enabled {
        ThpEnabled::Always => true,
        ThpEnabled::Madvise => flags.contains(VmFlags::HUGEPAGE),
        ThpEnabled::Never => false,
    }
}

/// Where the last block of a VMA would start that ends with it or before. As in Linux, the
/// difference wraps below 2 MiB, and a VMA that ends there counts as one that holds a block.
fn last_block(vma: &Vma) -> VirtAddr {
    VirtAddr::new(vma.end().get().wrapping_sub(PMD_SIZE)).pmd_down()
}

/// Can the VMA map the block with one entry? (`thp_vma_suitable_order()`)
pub(crate) fn is_suitable(vma: &Vma, block: VirtAddr) -> bool {
    let congruent = vma.is_anon()
        || (vma.start().page_number().wrapping_sub(vma.pgoff().get())).is_multiple_of(PMD_PAGES);
    let end = block.get().wrapping_add(PMD_SIZE);
    congruent && block >= vma.start() && end <= vma.end().get()
}
