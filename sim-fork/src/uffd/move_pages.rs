//! `UFFDIO_MOVE`.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, SyscallRange, VirtAddr};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// `UFFDIO_MOVE`.
pub(crate) fn move_pages<A: Arch, S: VmaStore>(
    _shared: &Shared,
    _space: &AddressSpace<A, S>,
    _range: SyscallRange,
    _from: VirtAddr,
) -> Result<Outcome, BackendError> {
    Err(not_supported("UFFDIO_MOVE"))
}
