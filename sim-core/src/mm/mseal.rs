//! `mseal`: mm/mseal.c: `do_mseal()`, 6.18.

use crate::store::VmaStore;
use crate::{Errno, Mm, PageOps, PageRange, SyscallRange, VmFlags};

impl<S: VmaStore> Mm<S> {
    /// `mseal(2)` without flags: either the whole range is mapped, or nothing is sealed.
    ///
    /// # Errors
    /// `EINVAL` if the range is unaligned or overflows, `ENOMEM` if it has a hole or a VMA cannot
    /// be split (then what lies before it is sealed).
    pub fn mseal(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let Some(range) = checked_range(range)? else {
            return Ok(());
        };
        if !self.is_mapped_throughout(range) {
            return Err(Errno::ENOMEM);
        }
        self.for_each_part(range, |mm, id, part| {
            mm.start_modify(id);
            let flags = mm.vma(id).flags();
            if flags.contains(VmFlags::SEALED) {
                return Ok(id);
            }
            let mut flags = flags | VmFlags::SEALED;
            let id = mm.vma_modify_flags(pages, id, part, &mut flags)?;
            mm.vma_mut(id).insert_flags(VmFlags::SEALED);
            Ok(id)
        })
        .map(drop)
    }

    /// Has every page of the range a VMA?
    fn is_mapped_throughout(&self, range: PageRange) -> bool {
        let mut mapped_to = range.start();
        for (_, vma) in self.iter_in(range) {
            if vma.start() > mapped_to {
                return false;
            }
            mapped_to = vma.end();
        }
        mapped_to >= range.end()
    }
}

/// The pages that a system call means: the length rounds up, an empty range is nothing to do.
///
/// # Errors
/// `EINVAL` if the address is unaligned, or the length or the end overflows.
pub(crate) fn checked_range(range: SyscallRange) -> Result<Option<PageRange>, Errno> {
    let len = range.len.page_align();
    let vanished = range.len.get() != 0 && len.get() == 0;
    if !range.addr.is_page_aligned() || vanished {
        return Err(Errno::EINVAL);
    }
    let end = range.addr.checked_add(len).ok_or(Errno::EINVAL)?;
    Ok((len.get() != 0).then(|| PageRange::new(range.addr, end)))
}
