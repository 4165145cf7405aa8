//! `mlock` and `mlockall`: locking, then populating (`mm/mlock.c`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Errno, LockRange, MlockallFlags, PageRange, SyscallRange, VirtAddr};
use sim_pagetable::Arch;

use crate::error::PopulateError;
use crate::pager::Pager;
use crate::populate::{OnError, populate};
use crate::shared::Shared;
use crate::space::AddressSpace;

/// `mlock(2)`, or `mlock2(2)` with `MLOCK_ONFAULT`.
///
/// # Errors
/// Those of the system call; the VMAs stay locked if only populating failed.
pub(crate) fn mlock<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    onfault: bool,
) -> Result<(), PopulateError> {
    let how = if onfault {
        LockRange::OnFault
    } else {
        LockRange::Now
    };
    let mut pager = Pager::new(shared, &space.pages);
    let locked = space.write().mlock(&mut pager, range, how)?;
    let Some(range) = locked else {
        return Ok(());
    };
    populate(shared, space, range, OnError::Stop).map_err(populate_errno)
}

/// `mm/mlock.c: __mlock_posix_error_return()`.
const fn populate_errno(error: PopulateError) -> PopulateError {
    match error {
        PopulateError::Errno(Errno::EFAULT) => PopulateError::Errno(Errno::ENOMEM),
        PopulateError::Errno(Errno::ENOMEM) => PopulateError::Errno(Errno::EAGAIN),
        PopulateError::Errno(_) | PopulateError::UffdWait => error,
    }
}

/// `mlockall(2)`.
///
/// # Errors
/// Those of the system call; populating has none.
pub(crate) fn mlockall<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    flags: MlockallFlags,
) -> Result<(), PopulateError> {
    let mut pager = Pager::new(shared, &space.pages);
    space.write().mlockall(&mut pager, flags)?;
    if flags.contains(MlockallFlags::CURRENT) {
        let all = PageRange::new(VirtAddr::ZERO, shared.config.layout.task_size);
        populate(shared, space, all, OnError::Ignore)?;
    }
    Ok(())
}
