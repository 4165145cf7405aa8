//! `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` (`mm/madvise.c: madvise_populate()`, 6.19).

use sim_core::PageRange;
use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use crate::error::{FaultError, PopulateError};
use crate::fault::FaultKind;
use crate::pager::Pager;
use crate::space::AddressSpace;

/// Faults every page of a range in; stops at the first that cannot be.
///
/// # Errors
/// Those of the system call.
pub(super) fn populate<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    space: &AddressSpace<A, S>,
    range: PageRange,
    write: bool,
) -> Result<(), PopulateError> {
    let done = fault_all(pager, space, range, write);
    pager.shared.drain_lru();
    done
}

fn fault_all<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    space: &AddressSpace<A, S>,
    range: PageRange,
    write: bool,
) -> Result<(), PopulateError> {
    let mm = space.read();
    let kind = if write {
        FaultKind::Write
    } else {
        FaultKind::Read
    };
    let mut addr = range.start();
    while addr < range.end() {
        let id = mm.check_populate(addr, write)?;
        let vma = mm.vma(id);
        let part = PageRange::new(addr, vma.end().min(range.end()));
        pager
            .fault_range(vma, part, kind, &|| mm.anon_vma_prepare(id))
            .map_err(FaultError::gup)?;
        addr = part.end();
    }
    Ok(())
}
