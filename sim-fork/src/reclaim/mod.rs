//! Reclaim: taking pages away from processes and from the page cache (`mm/vmscan.c`, 6.19).
//!
//! - [`range`]: a range of one process, as `MADV_PAGEOUT` does it.
//! - [`pages`]: so many pages, wherever they are; what direct reclaim does when RAM is used up.
//! - `folio.rs`: what becomes of one page: swapped out, dropped, or kept; `whole.rs`: of a huge one;
//!   `object.rs`: of those of files and shared memory, when nobody maps them.

mod folio;
mod object;
mod rmap;
mod whole;

pub(crate) use folio::pageout;
pub(crate) use object::pageout_large;
pub(crate) use whole::{Whole, pageout_whole};

use sim_core::store::VmaStore;
use sim_core::{Advice, Outcome, SyscallRange};
use sim_pagetable::Arch;

use crate::machine::Machine;
use crate::madvise;
use crate::process::Process;

/// Pages that direct reclaim asks for at a time (`SWAP_CLUSTER_MAX`).
const CLUSTER: u64 = 32;

/// Reclaim of a range, as `MADV_PAGEOUT` does it.
pub(crate) fn range<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
) -> Outcome {
    madvise::madvise(machine, process, range, Advice::Pageout)
}

/// Reclaim of so many pages.
pub(crate) fn pages<A: Arch, S: VmaStore>(machine: &Machine<A, S>, wanted: u64) -> Outcome {
    shrink(machine, wanted);
    Outcome::OK
}

/// Makes room after an allocation failed for want of RAM. True if it is worth trying again.
pub(crate) fn for_allocation<A: Arch, S: VmaStore>(machine: &Machine<A, S>) -> bool {
    shrink(machine, CLUSTER) > 0
}

/// Takes up to `wanted` pages away; how many it got. Pages that were not accessed since the last
/// time go first; the others lose their accessed bit in the first round, as on Linux's lists.
///
/// DEVIATION: candidates are taken in the order of their frames' numbers, not of LRU lists.
fn shrink<A: Arch, S: VmaStore>(machine: &Machine<A, S>, wanted: u64) -> u64 {
    let shared = machine.shared();
    let before = shared.frames.used();
    shared.drain_lru();
    let mut got = before - shared.frames.used();
    got += shared.shrink_swap_cache(wanted.saturating_sub(got));
    got += object::drop_unmapped(machine, wanted.saturating_sub(got));
    for spare_young in [true, false] {
        if got >= wanted {
            break;
        }
        for (pfn, mappings) in rmap::collect(machine) {
            if got >= wanted {
                break;
            }
            if spare_young && rmap::test_and_clear_young(machine, &mappings) {
                continue;
            }
            got += folio::reclaim(machine, pfn, &mappings);
        }
    }
    got
}
