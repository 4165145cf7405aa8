//! `MADV_REMOVE`: a hole in the mapped object (`mm/madvise.c: madvise_remove()`).

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, PageRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::process::Process;

/// Punches holes into the objects that a range maps.
pub(crate) fn remove<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _process: &Process<A, S>,
    _range: PageRange,
) -> Result<Outcome, BackendError> {
    Err(not_supported("madvise remove"))
}
