//! Writes to `/proc/PID/clear_refs` (`fs/proc/task_mmu.c: clear_refs_write()`).

use sim_core::store::VmaStore;
use sim_core::{BackendError, Outcome};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::process::Process;

/// Clears referenced or soft-dirty state.
pub(crate) fn clear_refs<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _process: &Process<A, S>,
    _value: u8,
) -> Result<Outcome, BackendError> {
    Err(not_supported("clear_refs"))
}
