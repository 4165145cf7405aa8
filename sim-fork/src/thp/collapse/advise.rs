//! `MADV_COLLAPSE` (`mm/khugepaged.c: madvise_collapse()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{
    Advice, AllocKind, Errno, Event, Outcome, PMD_SIZE, PageRange, ScanResult, VirtAddr,
};
use sim_pagetable::Arch;

use super::{By, block};
use crate::machine::Machine;
use crate::process::Process;
use crate::space::AddressSpace;
use crate::thp::eligible::{self, Purpose};

/// `madvise(MADV_COLLAPSE)`: one VMA after the other, up to the first that fails. Linux drops
/// mmap_lock for each block.
pub(crate) fn madvise<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: PageRange,
) -> Outcome {
    let space = &process.space;
    let mut parts = Vec::new();
    let walked = space
        .mm
        .read()
        .madvise_pages::<Errno>(range, Advice::Collapse, |_, _, part| {
            parts.push(part);
            Ok(())
        });
    let done = parts
        .into_iter()
        .try_for_each(|part| collapse_part(machine, space, part));
    done.and(walked).into()
}

fn collapse_part<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    part: PageRange,
) -> Result<(), Errno> {
    let shared = machine.shared();
    if !may_collapse(machine, space, part) {
        let result = ScanResult::VmaCheck;
        let event = || Event::Collapse {
            range: part,
            result,
        };
        space.read_recursive().events.record(event);
        return Err(Errno::EINVAL);
    }
    shared
        .fail()
        .alloc(AllocKind::Other)
        .map_err(|_| Errno::ENOMEM)?;
    shared.drain_lru();
    let start = part.start().get().next_multiple_of(PMD_SIZE);
    let end = part.end().pmd_down().get();
    let mut collapsed = 0;
    let mut failure = ScanResult::Fail;
    for at in (start..end).step_by(PMD_SIZE as usize) {
        let at = VirtAddr::new(at);
        let result = block(machine, space, at, By::Advice);
        if result.is_huge() {
            collapsed += 1;
            continue;
        }
        failure = result;
        if !result.goes_on() {
            break;
        }
    }
    // A part inside one block has less than no blocks: that is never enough.
    let whole = start <= end && collapsed == (end - start) / PMD_SIZE;
    if whole { Ok(()) } else { Err(failure.errno()) }
}

fn may_collapse<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    part: PageRange,
) -> bool {
    let mm = space.read();
    mm.vma_lookup(part.start()).is_some_and(|id| {
        let vma = mm.vma(id);
        eligible::allowed(machine.shared(), vma, vma.flags(), Purpose::Collapse)
    })
}
