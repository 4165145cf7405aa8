//! mprotect.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, Prot, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `mprotect(2)`, or `pkey_mprotect(2)` with a key.
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay changed.
    pub fn mprotect(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        prot: Prot,
        pkey: Option<i32>,
    ) -> Result<(), Errno> {
        let _ = (pages, range, prot, pkey);
        Err(Errno::ENOSYS)
    }
}
