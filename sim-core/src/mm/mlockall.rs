//! mlockall, munlockall.

use crate::store::VmaStore;
use crate::{Errno, MlockallFlags, Mm, PageOps};

impl<S: VmaStore> Mm<S> {
    /// `mlockall(2)`. With `MCL_CURRENT` the machine then populates the whole address space and
    /// ignores errors.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mlockall(&mut self, pages: &mut dyn PageOps, flags: MlockallFlags) -> Result<(), Errno> {
        let _ = (pages, flags);
        Err(Errno::ENOSYS)
    }

    /// `munlockall(2)`.
    ///
    /// # Errors
    /// None today.
    pub fn munlockall(&mut self, pages: &mut dyn PageOps) -> Result<(), Errno> {
        let _ = pages;
        Err(Errno::ENOSYS)
    }
}
