//! munmap.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, PageRange, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `munmap(2)`.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn munmap(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let _ = (pages, range);
        Err(Errno::ENOSYS)
    }

    /// Unmaps a range, whatever is in it (`mm/vma.c: do_vmi_align_munmap()`).
    ///
    /// # Errors
    /// `EPERM` for a sealed VMA, `ENOMEM`; splits made before stay.
    pub fn do_munmap(&mut self, pages: &mut dyn PageOps, range: PageRange) -> Result<(), Errno> {
        let _ = (pages, range);
        Err(Errno::ENOSYS)
    }
}
