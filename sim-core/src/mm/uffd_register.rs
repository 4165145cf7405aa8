//! The VMA half of `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, SyscallRange, UffdCtxId, UffdMode};

impl<S: VmaStore> Mm<S> {
    /// `UFFDIO_REGISTER`.
    ///
    /// # Errors
    /// Those of the ioctl.
    pub fn uffd_register(
        &mut self,
        pages: &mut dyn PageOps,
        context: UffdCtxId,
        range: SyscallRange,
        mode: UffdMode,
    ) -> Result<(), Errno> {
        let _ = (pages, context, range, mode);
        Err(Errno::ENOSYS)
    }

    /// `UFFDIO_UNREGISTER`.
    ///
    /// # Errors
    /// Those of the ioctl.
    pub fn uffd_unregister(
        &mut self,
        pages: &mut dyn PageOps,
        context: UffdCtxId,
        range: SyscallRange,
    ) -> Result<(), Errno> {
        let _ = (pages, context, range);
        Err(Errno::ENOSYS)
    }
}
