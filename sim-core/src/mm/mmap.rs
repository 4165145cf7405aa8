//! mmap.

use crate::store::VmaStore;
use crate::{Errno, MappedKind, Mm, MmapArgs, PageOps, PageRange, VirtAddr};

/// A successful mapping call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the machine populates what is asked for"]
pub struct Mapped {
    /// The call's value.
    pub addr: VirtAddr,
    /// What is to be populated once the lock is dropped; errors of that are ignored.
    pub populate: Option<PageRange>,
}

impl<S: VmaStore> Mm<S> {
    /// `mmap(2)`. `kind` is that of `args.file`.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mmap(
        &mut self,
        pages: &mut dyn PageOps,
        args: &MmapArgs,
        kind: Option<MappedKind>,
    ) -> Result<Mapped, Errno> {
        let _ = (pages, args, kind);
        Err(Errno::ENOSYS)
    }
}
