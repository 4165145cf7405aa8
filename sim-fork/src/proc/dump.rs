//! Views of a process as text (`vmsim run --dump`).

use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use super::{maps, memory, pagemap, smaps_text, tables};
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

/// A view of a process; `name` is what the run calls it.
pub(crate) fn dump<A: Arch, S: VmaStore>(
    shared: &Shared,
    process: &Process<A, S>,
    name: &str,
    what: DumpKind,
) -> String {
    let space = &*process.space;
    match what {
        DumpKind::Maps => maps::text(shared, &space.mm.read()),
        DumpKind::Smaps => smaps_text::text(shared, space),
        DumpKind::Pagemap => pagemap::text(shared, space),
        DumpKind::Tables => tables::text(&space.pages.tables),
        DumpKind::Tree => space.mm.read().store().dump(),
        DumpKind::Memory => memory::json(name, &space.pages.tables),
    }
}
