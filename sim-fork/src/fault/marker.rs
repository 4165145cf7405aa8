//! Faults on markers (`mm/memory.c: handle_pte_marker()`).

use sim_core::VmFlags;
use sim_pagetable::{Arch, Entry, Marker};

use super::Fault;
use crate::error::FaultError;
use crate::pager::Pager;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Guard and poison end the access; remembered write protection is a missing page.
    pub(super) fn marker(
        &self,
        fault: &Fault<'_>,
        old: Entry<A>,
        marker: Marker,
    ) -> Result<(), FaultError> {
        if marker.contains(Marker::POISON) {
            return Err(FaultError::Poison);
        }
        if marker.contains(Marker::GUARD) {
            return Err(FaultError::Maperr);
        }
        if fault.uffd(VmFlags::UFFD_WP) {
            return self.missing(fault, old);
        }
        // The registration is gone: so is what the marker stood for.
        if let Some(table) = self.unchanged(fault, old) {
            table.set(va(fault.addr), Entry::NONE);
        }
        Ok(())
    }
}
