//! Every call to the function that runs it.

use sim_core::store::VmaStore;
use sim_core::{BackendError, Call, MmapArgs, Outcome, SyscallRange};
use sim_pagetable::Arch;

use crate::error::PopulateError;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::space::AddressSpace;
use crate::uffd::Fill;
use crate::{access, exec, exit, file, fork, lock, madvise, populate, proc, reclaim, thp, uffd};

impl<A: Arch, S: VmaStore> Machine<A, S> {
    /// Runs one call.
    pub(crate) fn dispatch(
        &self,
        process: &Process<A, S>,
        call: &Call,
    ) -> Result<Outcome, BackendError> {
        let space = &*process.space;
        let shared = self.shared();
        let mut pager = Pager::new(shared, &space.pages);
        Ok(match call {
            Call::Mmap(args) => self.mmap(process, args),
            Call::Munmap(range) => munmap(space, &mut pager, *range),
            Call::Mprotect { range, prot, pkey } => {
                let mut mm = space.write();
                mm.mprotect(&mut pager, *range, *prot, *pkey).into()
            }
            Call::Mremap(args) => {
                let mapped = space.write().mremap(&mut pager, args);
                mapped.map_or_else(Outcome::Errno, |m| populate::finish(shared, space, m))
            }
            Call::Brk(to) => {
                let mut mm = space.write();
                let (mapped, detached) = mm.brk_detach(&mut pager, *to);
                if let Some(detached) = detached {
                    space.downgrade(mm).unmap_detached(&mut pager, detached);
                } else {
                    drop(mm);
                }
                populate::finish(shared, space, mapped)
            }
            Call::Madvise { range, advice } => madvise::madvise(self, process, *range, *advice),
            Call::Mlock { range, onfault } => lock::mlock(shared, space, *range, *onfault)
                .map_or_else(PopulateError::outcome, |()| Outcome::OK),
            Call::Munlock(range) => space.write().munlock(&mut pager, *range).into(),
            Call::Mlockall(flags) => lock::mlockall(shared, space, *flags)
                .map_or_else(PopulateError::outcome, |()| Outcome::OK),
            Call::Munlockall => {
                space.write().munlockall(&mut pager);
                Outcome::OK
            }
            Call::Mseal(range) => space.write().mseal(&mut pager, *range).into(),
            Call::Msync(range) => file::msync(self, space, *range).into(),
            Call::Mincore(range) => space.read().mincore(*range).into(),
            Call::Mbind { range, policy } => {
                let mut mm = space.write();
                mm.mbind(&mut pager, *range, *policy).into()
            }
            Call::VmaName { range, label } => {
                let mut mm = space.write();
                mm.set_vma_name(&mut pager, *range, label.as_deref()).into()
            }
            Call::UffdRegister { range, mode } => {
                uffd::register(shared, space, *range, *mode).into()
            }
            Call::UffdUnregister(range) => uffd::unregister(shared, space, *range).into(),
            Call::UffdWriteprotect { range, on } => uffd::writeprotect(shared, space, *range, *on),
            Call::UffdCopy { range, source, wp } => {
                let what = Fill::Copy {
                    source: *source,
                    wp: *wp,
                };
                uffd::fill(self, process, *range, what)
            }
            Call::UffdContinue { range, wp } => {
                uffd::fill(self, process, *range, Fill::Continue { wp: *wp })
            }
            Call::UffdZeropage(range) => uffd::fill(self, process, *range, Fill::Zero),
            Call::UffdPoison(range) => uffd::fill(self, process, *range, Fill::Poison),
            Call::UffdMove { range, from } => uffd::move_pages(self, process, *range, *from),
            Call::Access { range, access } => access::access(self, process, *range, *access),
            Call::Fork { child, share } => fork::fork(self, process, *child, *share)?,
            Call::Exit => exit::exit(self, process),
            Call::Execve { stack } => exec::execve(self, process, *stack),
            Call::Khugepaged { passes } => thp::khugepaged::run(self, *passes)?,
            Call::Reclaim(range) => reclaim::range(self, process, *range),
            Call::ReclaimPages(pages) => reclaim::pages(self, *pages),
            Call::ClearRefs(value) => proc::clear_refs(self, process, *value),
            Call::Truncate { file, size } => file::truncate(self, *file, *size)?,
            Call::PunchHole { file, offset, len } => file::punch_hole(self, *file, *offset, *len)?,
            Call::InjectAllocFailure { .. } => unreachable!("the machine arms it itself"),
        })
    }

    fn mmap(&self, process: &Process<A, S>, args: &MmapArgs) -> Outcome {
        let (shared, space) = (self.shared(), &*process.space);
        let object = args.file.and_then(|id| shared.files.get(id));
        let kind = object.map(|object| object.file().kind);
        let mut pager = Pager::new(shared, &space.pages);
        let mapped = space.write().mmap(&mut pager, args, kind);
        mapped.map_or_else(Outcome::Errno, |m| populate::finish(shared, space, m))
    }
}

/// The VMAs go under mmap_lock held for writing, their pages under it held for reading.
fn munmap<A: Arch, S: VmaStore>(
    space: &AddressSpace<A, S>,
    pager: &mut Pager<'_, A>,
    range: SyscallRange,
) -> Outcome {
    let mut mm = space.write();
    match mm.munmap_detach(pager, range) {
        Ok(detached) => {
            space.downgrade(mm).unmap_detached(pager, detached);
            Outcome::OK
        }
        Err(errno) => Outcome::Errno(errno),
    }
}
