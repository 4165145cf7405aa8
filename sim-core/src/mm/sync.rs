//! What `msync` and `mincore` check: mm/msync.c, mm/mincore.c, 6.18.

use super::mseal::checked_range;
use crate::store::VmaStore;
use crate::{Errno, FileRef, Mm, PAGE_SIZE, PageRange, SyscallRange, VmFlags, Vma};

impl<S: VmaStore> Mm<S> {
    /// `msync(2)` with `MS_SYNC`: calls `write_back` for each part of a shared mapping of a file.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address, `ENOMEM` if the end overflows or the range has holes
    /// (once the rest is done), or what `write_back` returns.
    pub fn msync(
        &self,
        range: SyscallRange,
        mut write_back: impl FnMut(FileRef, &Vma, PageRange) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if !range.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        // A length that rounds up to 0 is nothing to do.
        let len = range.len.page_align();
        let Some(range) =
            checked_range(SyscallRange { len, ..range }).map_err(|_| Errno::ENOMEM)?
        else {
            return Ok(());
        };
        self.visit_parts(range, |_, vma, part| match vma.file() {
            Some(file) if vma.flags().contains(VmFlags::SHARED) => write_back(file, vma, part),
            Some(_) | None => Ok(()),
        })?
        .require_whole()
    }

    /// `mincore(2)`: whether the range is acceptable. The answer itself changes nothing.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address, `ENOMEM` beyond user space or where nothing is mapped.
    pub fn mincore(&self, range: SyscallRange) -> Result<(), Errno> {
        if !range.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let end = range.addr.checked_add(range.len).ok_or(Errno::ENOMEM)?;
        if end > self.config.layout.task_size {
            return Err(Errno::ENOMEM);
        }
        let pages = range.len.get().div_ceil(PAGE_SIZE);
        let pages = PageRange::from_pages(range.addr, pages);
        self.visit_parts(pages, |_, _, _| Ok::<_, Errno>(()))?
            .require_whole()
    }
}
