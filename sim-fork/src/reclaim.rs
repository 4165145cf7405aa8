//! Reclaim: swapping out and dropping pages (`mm/vmscan.c`).

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome, SyscallRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::process::Process;
use crate::shared::Shared;

/// Reclaim of a range, as `MADV_PAGEOUT` does it.
pub(crate) fn range<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _process: &Process<A, S>,
    _range: SyscallRange,
) -> Result<Outcome, BackendError> {
    Err(not_supported("reclaim of a range"))
}

/// Reclaim of so many pages, least recently used first.
pub(crate) fn pages<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _pages: u64,
) -> Result<Outcome, BackendError> {
    Err(not_supported("reclaim of pages"))
}

/// Makes room for an allocation that failed. True if it is worth trying again.
pub(crate) const fn for_allocation(_shared: &Shared, _pages: u64) -> bool {
    false
}
