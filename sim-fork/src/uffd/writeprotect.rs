//! `UFFDIO_WRITEPROTECT`.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, SyscallRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// `UFFDIO_WRITEPROTECT`.
pub(crate) fn writeprotect<A: Arch, S: VmaStore>(
    _shared: &Shared,
    _space: &AddressSpace<A, S>,
    _range: SyscallRange,
    _on: bool,
) -> Result<Outcome, BackendError> {
    Err(not_supported("UFFDIO_WRITEPROTECT"))
}
