//! Names of anonymous VMAs: kernel/sys.c: `prctl_set_vma()`, mm/madvise.c:
//! `set_anon_vma_name()`, 6.18.

use std::sync::Arc;

use super::mseal::checked_range;
use crate::store::{VmaId, VmaStore};
use crate::{AnonName, Errno, FileRef, Mm, PageOps, PageRange, SyscallRange};

/// The longest name, in bytes (`ANON_VMA_NAME_MAX_LEN` less the final 0).
const MAX_LEN: usize = 79;
/// Printable characters that a name must not have.
const FORBIDDEN: &[u8] = b"\\`$[]";

/// Linux's rule for names (`is_valid_name_char()`).
fn is_valid(name: &str) -> bool {
    let printable = |c: u8| (0x20..0x7f).contains(&c) && !FORBIDDEN.contains(&c);
    name.len() <= MAX_LEN && name.bytes().all(printable)
}

impl<S: VmaStore> Mm<S> {
    /// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)`; no label removes the name.
    ///
    /// # Errors
    /// `EINVAL` for a bad name or range, or on a kernel without names; `EBADF` at a file; `ENOMEM`
    /// if the range has holes, `EAGAIN` if a VMA cannot be split.
    pub fn set_vma_name(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        label: Option<&str>,
    ) -> Result<(), Errno> {
        if !self.config.anon_names || !label.is_none_or(is_valid) {
            return Err(Errno::EINVAL);
        }
        let Some(range) = checked_range(range)? else {
            return Ok(());
        };
        let name: Option<AnonName> = label.map(Arc::from);
        self.for_each_part(range, |mm, id, part| {
            mm.name_part(pages, id, part, name.as_ref())
        })?
        .require_whole()
    }

    fn name_part(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        part: PageRange,
        name: Option<&AnonName>,
    ) -> Result<VmaId, Errno> {
        let vma = self.vma(id);
        if !vma.file().is_none_or(FileRef::is_shmem) {
            return Err(Errno::EBADF);
        }
        if vma.anon_name() == name {
            return Ok(id);
        }
        let flags = vma.flags();
        let id = self
            .vma_modify_name(pages, id, part, name)
            .map_err(super::madvise::memory_is_short)?;
        let vma = self.vma_mut(id);
        // Linux writes the flags that the VMA had before: what a merge added is lost here.
        vma.set_flags(flags);
        vma.set_anon_name(name.cloned());
        Ok(id)
    }
}
