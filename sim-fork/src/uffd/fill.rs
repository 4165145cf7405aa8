//! What `UFFDIO_COPY`, `UFFDIO_CONTINUE`, `UFFDIO_ZEROPAGE` and `UFFDIO_POISON` share
//! (`mm/userfaultfd.c: mfill_atomic()`, 6.18).

use sim_core::store::{VmaId, VmaStore};
use sim_core::{
    Errno, Mm, Outcome, PageRange, SyscallRange, UffdCopySource, VirtAddr, VmFlags, Vma, VmaGuard,
};
use sim_pagetable::{Arch, Leaf, Pfn, PteTable};

use super::range::{Stop, bytes, outcome, whole_pages};
use super::{copy, poison, zeropage};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::reclaim;
use crate::space::AddressSpace;
use crate::va::va;

/// What pages are filled with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fill {
    /// Copies (`UFFDIO_COPY`), perhaps write-protected.
    Copy { source: UffdCopySource, wp: bool },
    /// Pages that the object has already (`UFFDIO_CONTINUE`), perhaps write-protected.
    Continue { wp: bool },
    /// Zeroes (`UFFDIO_ZEROPAGE`).
    Zero,
    /// Poison (`UFFDIO_POISON`).
    Poison,
}

impl Fill {
    /// Are the pages write-protected?
    const fn protects(self) -> bool {
        match self {
            Self::Copy { wp, .. } | Self::Continue { wp } => wp,
            Self::Zero | Self::Poison => false,
        }
    }
}

/// A page that is being filled.
pub(super) struct Target<'a> {
    /// Its VMA.
    pub(super) vma: &'a Vma,
    /// Its address.
    pub(super) addr: VirtAddr,
    /// It is to be write-protected.
    pub(super) wp: bool,
}

/// Fills a range of one registered VMA, ascending, up to the first page that cannot be filled.
pub(crate) fn fill<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
    what: Fill,
) -> Outcome {
    let checked = check(&process.space.read(), range, what);
    let range = match checked {
        Ok(range) => range,
        Err(errno) => return Outcome::Errno(errno),
    };
    let mut work = Work {
        range,
        what,
        done: 0,
        copied: None,
    };
    let stopped = loop {
        match work.go(machine, process) {
            Err(Stop::Source(at)) => {
                if let Err(stop) = work.fault_in_source(machine, process, at) {
                    break Err(stop);
                }
            }
            Err(Stop::NoMemory)
                if !machine.shared().injected() && reclaim::for_allocation(machine) => {}
            stopped @ (Ok(()) | Err(_)) => break stopped,
        }
    };
    if let Some(pfn) = work.copied {
        machine.shared().frames.put(pfn);
    }
    outcome(work.done, stopped)
}

fn check<S: VmaStore>(mm: &Mm<S>, range: SyscallRange, what: Fill) -> Result<PageRange, Errno> {
    match what {
        Fill::Copy {
            source: UffdCopySource::Memory(from),
            ..
        } => bytes(mm, SyscallRange::new(from, range.len))?,
        Fill::Copy { .. } | Fill::Continue { .. } | Fill::Zero | Fill::Poison => {}
    }
    whole_pages(mm, range)
}

/// A request under way.
struct Work {
    range: PageRange,
    what: Fill,
    /// Pages filled.
    done: u64,
    /// The next page's copy, made while no lock was held.
    copied: Option<Pfn>,
}

impl Work {
    fn go<A: Arch, S: VmaStore>(
        &mut self,
        machine: &Machine<A, S>,
        process: &Process<A, S>,
    ) -> Result<(), Stop> {
        let space = &*process.space;
        let pager = Pager::new(machine.shared(), &space.pages);
        if let Some(vma) = lock_target(space, self.range) {
            check_target(&vma, self.range, self.what)?;
            return self.fill_all(&pager, &vma);
        }
        let mm = space.read();
        let id = vma_for_anon(&mm, self.range.start())?;
        check_target(mm.vma(id), self.range, self.what)?;
        self.fill_all(&pager, mm.vma(id))
    }

    fn fill_all<A: Arch>(&mut self, pager: &Pager<'_, A>, vma: &Vma) -> Result<(), Stop> {
        while self.done < self.range.pages() {
            let target = Target {
                vma,
                addr: self.range.start().add_pages(self.done),
                wp: self.what.protects(),
            };
            drop(table_of(pager, target.addr)?);
            self.fill_page(pager, &target)?;
            self.done += 1;
        }
        Ok(())
    }

    fn fill_page<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        target: &Target<'_>,
    ) -> Result<(), Stop> {
        match self.what {
            Fill::Copy { source, .. } => {
                let pfn = self.copy(pager, target, source)?;
                copy::install(pager, target, pfn)
            }
            Fill::Continue { .. } => copy::resume(pager, target),
            Fill::Zero => zeropage::install(pager, target),
            Fill::Poison => poison::install(pager, target),
        }
    }

    /// The next page's copy.
    fn copy<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        target: &Target<'_>,
        source: UffdCopySource,
    ) -> Result<Pfn, Stop> {
        if let Some(pfn) = self.copied.take() {
            return Ok(pfn);
        }
        let pfn = copy::new_page(pager, target.vma)?;
        let content = match source {
            UffdCopySource::Value(byte) => byte,
            UffdCopySource::Memory(from) => {
                let from = from.add_pages(self.done);
                let Some(byte) = copy::read_now(pager, from) else {
                    self.copied = Some(pfn);
                    return Err(Stop::Source(from));
                };
                byte
            }
        };
        pager.frames().meta(pfn).set_tag(u32::from(content));
        Ok(pfn)
    }

    /// Reads the next page's source as the program would, without locks.
    fn fault_in_source<A: Arch, S: VmaStore>(
        &mut self,
        machine: &Machine<A, S>,
        process: &Process<A, S>,
        from: VirtAddr,
    ) -> Result<(), Stop> {
        let byte = copy::read_with_faults(machine, process, from)?;
        if let Some(pfn) = self.copied {
            machine.shared().frames.meta(pfn).set_tag(u32::from(byte));
        }
        Ok(())
    }
}

/// The VMA of the range's start, locked, if it needs no anon_vma, which may come from a neighbour
/// (`mm/userfaultfd.c: uffd_lock_vma()`).
fn lock_target<A: Arch, S: VmaStore>(
    space: &AddressSpace<A, S>,
    range: PageRange,
) -> Option<VmaGuard<'_>> {
    let vma = space.lock_vma(range.start())?;
    let has_all = vma.flags().contains(VmFlags::SHARED) || vma.anon_vma().is_some();
    has_all.then_some(vma)
}

/// Can this VMA be filled so (`mm/userfaultfd.c: uffd_mfill_lock()`)? One with private pages got its
/// anon_vma before, even if it turns out not to be registered.
///
/// # Errors
/// `ENOENT` if it does not hold the whole range or is not registered, `EINVAL` for memory that
/// cannot be filled so, or not be write-protected.
fn check_target(vma: &Vma, range: PageRange, what: Fill) -> Result<(), Stop> {
    if range.end() > vma.end() || vma.uffd().is_none() {
        return Err(Errno::ENOENT.into());
    }
    let shmem = vma.file().is_some_and(sim_core::FileRef::is_shmem);
    let fillable = match what {
        Fill::Continue { .. } => shmem,
        Fill::Copy { .. } | Fill::Zero | Fill::Poison => shmem || vma.is_anon(),
    };
    if !fillable || what.protects() && !vma.flags().contains(VmFlags::UFFD_WP) {
        return Err(Errno::EINVAL.into());
    }
    Ok(())
}

/// `mm/userfaultfd.c: find_vma_and_prepare_anon()`.
///
/// # Errors
/// `ENOENT` if nothing is mapped there.
pub(super) fn vma_for_anon<S: VmaStore>(mm: &Mm<S>, at: VirtAddr) -> Result<VmaId, Stop> {
    let id = mm
        .find_vma(at)
        .filter(|&id| mm.vma(id).start() <= at)
        .ok_or(Errno::ENOENT)?;
    if !mm.vma(id).flags().contains(VmFlags::SHARED) {
        mm.anon_vma_prepare(id)?;
    }
    Ok(id)
}

/// The PTE table of an address, made if there is none.
///
/// # Errors
/// `EEXIST` where a huge page is mapped.
pub(super) fn table_of<'a, A: Arch>(
    pager: &Pager<'a, A>,
    at: VirtAddr,
) -> Result<PteTable<'a, A>, Stop> {
    match pager.tables().leaf_alloc(va(at))? {
        Leaf::Table(table) => Ok(table),
        Leaf::Huge(_) => Err(Errno::EEXIST.into()),
        Leaf::Absent => unreachable!("it was just allocated"),
    }
}

/// Is the page beyond the end of its object (`mm/userfaultfd.c: mfill_file_over_size()`)?
pub(super) fn beyond_object<A: Arch>(pager: &Pager<'_, A>, target: &Target<'_>) -> bool {
    let object = target
        .vma
        .file()
        .and_then(|file| pager.shared.files.get(file.id));
    object.is_some_and(|object| {
        target.vma.pgoff_of(target.addr).get() >= object.lock().size_in_pages()
    })
}
