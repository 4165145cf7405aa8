//! `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` (`mm/madvise.c: madvise_populate()`, 6.19).

use sim_core::PageRange;
use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use crate::error::{FaultError, PopulateError};
use crate::fault::{Fault, FaultKind};
use crate::pager::Pager;
use crate::populate::Fresh;
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
    let mm = space.mm.read();
    let kind = if write {
        FaultKind::Write
    } else {
        FaultKind::Read
    };
    let mut addr = range.start();
    while addr < range.end() {
        let id = mm.check_populate(addr, write)?;
        let vma = mm.vma(id);
        let end = vma.end().min(range.end());
        let mut fresh = Fresh::of(pager, vma, PageRange::new(addr, end));
        while addr < end {
            let fault = Fault {
                vma,
                addr,
                kind,
                prepare: &|| mm.anon_vma_prepare(id),
            };
            addr = pager
                .fault_in(&fault, &mut fresh)
                .map_err(FaultError::gup)?;
        }
    }
    Ok(())
}
