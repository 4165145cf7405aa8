//! `UFFDIO_COPY`.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, SyscallRange, UffdCopySource};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// `UFFDIO_COPY`.
pub(crate) fn copy<A: Arch, S: VmaStore>(
    _shared: &Shared,
    _space: &AddressSpace<A, S>,
    _range: SyscallRange,
    _source: UffdCopySource,
) -> Result<Outcome, BackendError> {
    Err(not_supported("UFFDIO_COPY"))
}
