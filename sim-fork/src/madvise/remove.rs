//! `MADV_REMOVE`: a hole in the mapped object (`mm/madvise.c: madvise_remove()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Advice, Errno, Outcome, PageRange};
use sim_pagetable::Arch;

use crate::file;
use crate::machine::Machine;
use crate::process::Process;

/// Punches holes into the objects that a range maps. Linux drops mmap_lock meanwhile, so the holes
/// are made one VMA after the other, each after its checks.
pub(super) fn remove<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: PageRange,
) -> Outcome {
    let mm = process.space.read_recursive();
    let done = mm.madvise_pages::<Errno>(range, Advice::Remove, |_, vma, part| {
        let file = vma.file().ok_or(Errno::EINVAL)?;
        let first = vma.pgoff_of(part.start()).get();
        file::punch_mapped(machine, file.id, (first, part.pages()))
    });
    done.into()
}
