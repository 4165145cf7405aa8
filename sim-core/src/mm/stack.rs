//! Stack growth and exec's move of the stack.

use crate::store::{VmaId, VmaStore};
use crate::{Errno, Mm, PageOps, VirtAddr};

impl<S: VmaStore> Mm<S> {
    /// Grows a `GROWSDOWN` VMA down to the page of `addr` (`mm/vma.c: expand_downwards()`).
    ///
    /// # Errors
    /// `EFAULT`, `EPERM`, `ENOMEM`: the access gets SIGSEGV.
    pub fn expand_downwards(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        addr: VirtAddr,
    ) -> Result<(), Errno> {
        let _ = (pages, id, addr);
        Err(Errno::ENOSYS)
    }
}
