//! Argument checks of msync and mincore.

use crate::store::VmaStore;
use crate::{Errno, Mm, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `msync(2)` with `MS_SYNC`, as far as VMAs go.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn msync(&self, range: SyscallRange) -> Result<(), Errno> {
        let _ = range;
        Err(Errno::ENOSYS)
    }

    /// `mincore(2)`, as far as VMAs go.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mincore(&self, range: SyscallRange) -> Result<(), Errno> {
        let _ = range;
        Err(Errno::ENOSYS)
    }
}
