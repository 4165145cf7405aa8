//! What replay asks of a back end beside running calls.

use sim_core::{Backend, BackendError, Pid, VirtAddr};
use sim_fork::SimBackend;

/// A back end into which a layout can be put that was made outside the log.
pub trait ReplayTarget: Backend {
    /// Makes `start` the start of the heap and the break of a process that has no heap yet, as the
    /// kernel does in execve (`mm->start_brk`, `mm->brk`).
    ///
    /// # Errors
    /// If there is no such process, or the back end cannot do it.
    fn place_brk(&mut self, pid: Pid, start: VirtAddr) -> Result<(), BackendError>;
}

impl ReplayTarget for dyn SimBackend {
    fn place_brk(&mut self, pid: Pid, start: VirtAddr) -> Result<(), BackendError> {
        SimBackend::place_brk(self, pid, start)
    }
}
