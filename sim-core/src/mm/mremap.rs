//! mremap.

use super::Mapped;
use crate::store::VmaStore;
use crate::{Errno, Mm, MremapArgs, PageOps};

impl<S: VmaStore> Mm<S> {
    /// `mremap(2)`.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mremap(&mut self, pages: &mut dyn PageOps, args: &MremapArgs) -> Result<Mapped, Errno> {
        let _ = (pages, args);
        Err(Errno::ENOSYS)
    }
}
