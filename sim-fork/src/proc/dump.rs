//! Views of a process as text (`vmsim run --dump`).

use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use crate::process::Process;
use crate::shared::Shared;

/// What a dump shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DumpKind {
    /// `/proc/PID/maps`.
    Maps,
    /// `/proc/PID/smaps`.
    Smaps,
    /// One line for each page with an entry: address and pagemap bits.
    Pagemap,
    /// The page tables, decoded.
    Tables,
    /// The store of VMAs.
    Tree,
    /// The page tables as memory, JSON.
    Memory,
}

/// A view of a process.
pub(crate) fn dump<A: Arch, S: VmaStore>(
    _shared: &Shared,
    process: &Process<A, S>,
    _name: &str,
    what: DumpKind,
) -> String {
    match what {
        DumpKind::Tree => process.space.mm.read().store().dump(),
        // Not written yet.
        DumpKind::Maps
        | DumpKind::Smaps
        | DumpKind::Pagemap
        | DumpKind::Tables
        | DumpKind::Memory => String::new(),
    }
}
