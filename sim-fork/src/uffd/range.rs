//! What the requests have in common: ranges of whole pages, and results of requests that stop
//! half-way.

use sim_core::store::VmaStore;
use sim_core::{Errno, Mm, Outcome, PageRange, SyscallRange, VirtAddr};

/// The range of a request (`fs/userfaultfd.c: validate_range()`).
///
/// # Errors
/// `EINVAL` unless it is whole pages below the end of user space, at least one.
pub(super) fn whole_pages<S: VmaStore>(
    mm: &Mm<S>,
    range: SyscallRange,
) -> Result<PageRange, Errno> {
    bytes(mm, range)?;
    let end = range.addr.checked_add(range.len).ok_or(Errno::EINVAL)?;
    PageRange::try_new(range.addr, end).ok_or(Errno::EINVAL)
}

/// A source of whole pages' length, which need not be aligned
/// (`fs/userfaultfd.c: validate_unaligned_range()`).
///
/// # Errors
/// `EINVAL` unless it is that, and below the end of user space.
pub(super) fn bytes<S: VmaStore>(mm: &Mm<S>, range: SyscallRange) -> Result<(), Errno> {
    let len = range.len.get();
    let end = range.addr.checked_add(range.len).ok_or(Errno::EINVAL)?;
    if len == 0 || !len.is_multiple_of(sim_core::PAGE_SIZE) || end > mm.config().layout.task_size {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Why a request stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stop {
    /// It fails.
    Errno(Errno),
    /// Memory ran out, as this kernel says; the caller may make room.
    NoMemory,
    /// Its own access to memory waits for a userfault that nobody handles.
    UffdWait,
    /// The page at this address must be faulted in first, without locks.
    Source(VirtAddr),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<sim_core::store::NoMemory> for Stop {
    fn from(_: sim_core::store::NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<sim_pagetable::NoMemory> for Stop {
    fn from(_: sim_pagetable::NoMemory) -> Self {
        Self::NoMemory
    }
}

/// What `ioctl(2)` returns for a request that did so many pages: the bytes done are in the
/// request's structure, the result says only that not all were.
pub(super) fn outcome(done: u64, stopped: Result<(), Stop>) -> Outcome {
    match stopped {
        Ok(()) => Outcome::OK,
        Err(Stop::UffdWait) => Outcome::UffdWait,
        Err(_) if done != 0 => Outcome::Errno(Errno::EAGAIN),
        Err(Stop::Errno(errno)) => Outcome::Errno(errno),
        Err(Stop::NoMemory) => Outcome::Errno(Errno::ENOMEM),
        Err(Stop::Source(_)) => unreachable!("the source is faulted in where that is found"),
    }
}
