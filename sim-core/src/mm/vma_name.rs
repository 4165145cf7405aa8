//! Names of anonymous VMAs.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)`.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn set_vma_name(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        label: Option<&str>,
    ) -> Result<(), Errno> {
        let _ = (pages, range, label);
        Err(Errno::ENOSYS)
    }
}
