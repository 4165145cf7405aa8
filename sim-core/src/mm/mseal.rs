//! mseal.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `mseal(2)`.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mseal(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let _ = (pages, range);
        Err(Errno::ENOSYS)
    }
}
