//! The end of a process (`kernel/exit.c: exit_mm()`, `mm/mmap.c: exit_mmap()`).

use sim_core::Outcome;
use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::thp;

/// `exit(2)`.
pub(crate) fn exit<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
) -> Outcome {
    // First nobody finds it any more: other threads would map pages that nobody takes away.
    if let Some(gone) = machine.remove_process(process.pid) {
        leave(machine.shared(), &gone.space);
    }
    if machine.all_processes().is_empty() {
        // Nobody is left to see what waits.
        machine.shared().drain_lru();
    }
    Outcome::OK
}

/// A process leaves its address space (`mmput()`); with the last one all of it goes.
pub(crate) fn leave<A: Arch, S: VmaStore>(shared: &Shared, space: &AddressSpace<A, S>) {
    if space.leave() {
        thp::khugepaged::exit(shared, space.pages.number);
        let mut pager = Pager::new(shared, &space.pages);
        space.write().exit(&mut pager);
    }
}
