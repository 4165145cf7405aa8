//! `UFFDIO_ZEROPAGE` (`mm/userfaultfd.c: mfill_atomic_pte_zeropage()`, 6.18).

use sim_core::{Errno, VmFlags};
use sim_pagetable::{Arch, Entry, Pfn};

use super::copy;
use super::fill::{Target, beyond_object, table_of};
use super::range::Stop;
use crate::pager::Pager;
use crate::va::va;

/// Maps the zero page over nothing; shared memory gets a page of its own.
///
/// # Errors
/// `EFAULT` beyond the end of the object, `EEXIST` if there is anything, be it a marker.
pub(super) fn install<A: Arch>(pager: &Pager<'_, A>, target: &Target<'_>) -> Result<(), Stop> {
    if target.vma.flags().contains(VmFlags::SHARED) {
        let pfn = copy::new_page(pager, target.vma)?;
        return copy::install(pager, target, pfn);
    }
    if beyond_object(pager, target) {
        return Err(Errno::EFAULT.into());
    }
    let table = table_of(pager, target.addr)?;
    if !table.get(va(target.addr)).is_none() {
        return Err(Errno::EEXIST.into());
    }
    let entry = Entry::page(Pfn::ZERO_PAGE, pager.page_prot(target.vma)).mk_special();
    table.set(va(target.addr), entry);
    Ok(())
}
