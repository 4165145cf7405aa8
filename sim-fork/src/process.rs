//! A process: a number and the address space it runs in.

use std::sync::Arc;

use sim_core::Pid;
use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use crate::space::AddressSpace;

/// A process.
#[derive(Debug)]
pub struct Process<A: Arch, S: VmaStore> {
    /// Its number.
    pub pid: Pid,
    /// Its address space, which other processes may share.
    pub space: Arc<AddressSpace<A, S>>,
}
