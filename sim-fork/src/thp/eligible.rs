//! Which VMAs may have huge pages (`mm/huge_memory.c: __thp_vma_allowable_orders()`).

use sim_core::{PMD_SIZE, ThpEnabled, VmFlags, Vma};

use crate::shared::Shared;

/// What smaps shows as `THPeligible`.
pub(crate) fn for_smaps(shared: &Shared, vma: &Vma) -> bool {
    let flags = vma.flags();
    if !vma.is_anon() || flags.contains(VmFlags::NOHUGEPAGE) {
        return false;
    }
    let wanted = match shared.setup.thp.enabled {
        ThpEnabled::Always => true,
        ThpEnabled::Madvise => flags.contains(VmFlags::HUGEPAGE),
        ThpEnabled::Never => false,
    };
    let last = vma.end().get() - vma.end().get() % PMD_SIZE;
    let fits = last >= PMD_SIZE && last - PMD_SIZE >= vma.start().get();
    wanted && fits
}
