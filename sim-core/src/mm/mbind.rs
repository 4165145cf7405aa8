//! mbind: the policy as an attribute of VMAs.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, Policy, SyscallRange};

impl<S: VmaStore> Mm<S> {
    /// `mbind(2)` without flags.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mbind(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        policy: Policy,
    ) -> Result<(), Errno> {
        let _ = (pages, range, policy);
        Err(Errno::ENOSYS)
    }
}
