//! `UFFDIO_ZEROPAGE`.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, SyscallRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// `UFFDIO_ZEROPAGE`.
pub(crate) fn zeropage<A: Arch, S: VmaStore>(
    _shared: &Shared,
    _space: &AddressSpace<A, S>,
    _range: SyscallRange,
) -> Result<Outcome, BackendError> {
    Err(not_supported("UFFDIO_ZEROPAGE"))
}
