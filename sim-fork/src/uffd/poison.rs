//! `UFFDIO_POISON` (`mm/userfaultfd.c: mfill_atomic_pte_poison()`, 6.18).

use sim_core::Errno;
use sim_pagetable::{Arch, Entry, Marker};

use super::fill::{Target, beyond_object, table_of};
use super::range::Stop;
use crate::pager::Pager;
use crate::va::va;

/// Puts a poison marker where nothing is: an access gets SIGBUS.
///
/// # Errors
/// `EFAULT` beyond the end of the object, `EEXIST` if there is anything, be it a marker.
pub(super) fn install<A: Arch>(pager: &Pager<'_, A>, target: &Target<'_>) -> Result<(), Stop> {
    if beyond_object(pager, target) {
        return Err(Errno::EFAULT.into());
    }
    let table = table_of(pager, target.addr)?;
    if !table.get(va(target.addr)).is_none() {
        return Err(Errno::EEXIST.into());
    }
    table.set(va(target.addr), Entry::marker(Marker::POISON));
    Ok(())
}
