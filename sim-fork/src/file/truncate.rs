//! `ftruncate` and `fallocate(FALLOC_FL_PUNCH_HOLE)` (`mm/truncate.c`, `mm/shmem.c`).

use sim_core::store::VmaStore;
use sim_core::{BackendError, Bytes, FileId, Outcome};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;

/// `ftruncate(2)`.
pub(crate) fn truncate<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _file: FileId,
    _size: Bytes,
) -> Result<Outcome, BackendError> {
    Err(not_supported("truncate"))
}

/// `fallocate(FALLOC_FL_PUNCH_HOLE)`.
pub(crate) fn punch_hole<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _file: FileId,
    _offset: u64,
    _len: Bytes,
) -> Result<Outcome, BackendError> {
    Err(not_supported("punch_hole"))
}
