//! `execve` (`fs/exec.c: exec_mmap()`).

use std::sync::Arc;

use sim_core::store::VmaStore;
use sim_core::{Errno, Outcome};
use sim_pagetable::Arch;

use crate::exit;
use crate::machine::Machine;
use crate::process::Process;
use crate::space::AddressSpace;

/// `execve(2)`: the process gets a fresh, empty address space.
pub(crate) fn execve<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
) -> Outcome {
    let Ok(space) = AddressSpace::empty(machine.shared()) else {
        return Outcome::Errno(Errno::ENOMEM);
    };
    exit::leave(machine.shared(), &process.space);
    machine.insert_process(process.pid, Arc::new(space));
    Outcome::OK
}
