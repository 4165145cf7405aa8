//! mlock, mlock2, munlock.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, PageRange, SyscallRange};

/// How mlock locks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockRange {
    /// Pages are brought in at once.
    Now,
    /// Pages are locked when touched (`MLOCK_ONFAULT`).
    OnFault,
}

impl<S: VmaStore> Mm<S> {
    /// `mlock(2)`, `mlock2(2)`: locks VMAs. Returns what is to be populated after the lock is
    /// dropped; there a fault's `EFAULT` becomes `ENOMEM`, and `ENOMEM` becomes `EAGAIN`.
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay locked.
    pub fn mlock(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        how: LockRange,
    ) -> Result<Option<PageRange>, Errno> {
        let _ = (pages, range, how);
        Err(Errno::ENOSYS)
    }

    /// `munlock(2)`.
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay unlocked.
    pub fn munlock(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let _ = (pages, range);
        Err(Errno::ENOSYS)
    }
}
