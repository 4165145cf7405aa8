//! khugepaged: the list of processes that it scans, and the scan.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, VmFlags, Vma};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::shared::Shared;

/// What khugepaged remembers (`struct khugepaged_scan`).
#[derive(Debug, Default)]
pub struct Khugepaged {
    /// Address spaces on its list, in the order in which they came, by number.
    pub spaces: Vec<u32>,
    /// Scans of all of them.
    pub full_scans: u64,
}

/// A VMA may have become fit for huge pages (`khugepaged_enter_vma()`).
pub(crate) fn enter<A: Arch>(_pager: &Pager<'_, A>, _vma: &Vma, _flags: VmFlags) {}

/// Scans every registered process so many times.
pub(crate) fn run<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _passes: u32,
) -> Result<Outcome, BackendError> {
    Err(not_supported("khugepaged"))
}

/// A child was forked (`khugepaged_fork()`).
pub(crate) fn forked(_shared: &Shared, _parent: u32, _child: u32) {}

/// An address space ends (`khugepaged_exit()`).
pub(crate) fn exit(shared: &Shared, space: u32) {
    shared
        .khugepaged
        .lock()
        .spaces
        .retain(|&number| number != space);
}
