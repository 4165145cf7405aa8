//! `MADV_COLLAPSE` (`mm/khugepaged.c: madvise_collapse()`).

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, PageRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::process::Process;

/// `madvise(MADV_COLLAPSE)`.
pub(crate) fn madvise<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _process: &Process<A, S>,
    _range: PageRange,
) -> Result<Outcome, BackendError> {
    Err(not_supported("madvise collapse"))
}
