//! mlock, mlock2, munlock.

use super::mmap::supports_mlock;
use super::stats::limit_pages;
use crate::store::{VmaId, VmaStore};
use crate::{Bytes, Errno, Mm, PAGE_SIZE, PageOps, PageRange, SyscallRange, VirtAddr, VmFlags};

/// How mlock locks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockRange {
    /// Pages are brought in at once.
    Now,
    /// Pages are locked when touched (`MLOCK_ONFAULT`).
    OnFault,
}

impl<S: VmaStore> Mm<S> {
    /// `mlock(2)`, `mlock2(2)`: locks VMAs (`mm/mlock.c: do_mlock()`, 6.19). Returns what is to be
    /// populated after the lock is dropped; there a fault's `EFAULT` becomes `ENOMEM`, and
    /// `ENOMEM` becomes `EAGAIN`.
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay locked.
    pub fn mlock(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        how: LockRange,
    ) -> Result<Option<PageRange>, Errno> {
        if !self.can_do_mlock() {
            return Err(Errno::EPERM);
        }
        let (start, len) = covering_pages(range);
        let limits = &self.config.limits;
        let limit = limit_pages(limits.memlock);
        let mut locked = len.pages().saturating_add(self.counters.locked_vm);
        if locked > limit && !limits.privileged {
            locked -= self.locked_pages_in(start, len);
        }
        if locked > limit && !limits.privileged {
            return Err(Errno::ENOMEM);
        }
        let flags = match how {
            LockRange::Now => VmFlags::LOCKED,
            LockRange::OnFault => VmFlags::LOCKED_MASK,
        };
        self.apply_lock_flags(pages, start, len, flags)
    }

    /// `munlock(2)`.
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay unlocked.
    pub fn munlock(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let (start, len) = covering_pages(range);
        self.apply_lock_flags(pages, start, len, VmFlags::empty())
            .map(drop)
    }

    /// Locked pages in a range (`mm/mlock.c: count_mm_mlocked_page_nr()`).
    fn locked_pages_in(&self, start: VirtAddr, len: Bytes) -> u64 {
        let end = start
            .checked_add(len)
            .unwrap_or(VirtAddr::new(u64::MAX).page_down());
        let range = PageRange::new(start, end);
        self.iter_in(range)
            .filter(|(_, vma)| vma.flags().contains(VmFlags::LOCKED))
            .filter_map(|(_, vma)| vma.range().intersect(range))
            .map(PageRange::pages)
            .sum()
    }

    /// Gives every VMA in a range these lock flags, up to the first gap
    /// (`mm/mlock.c: apply_vma_lock_flags()`, 6.19). Returns the range.
    fn apply_lock_flags(
        &mut self,
        pages: &mut dyn PageOps,
        start: VirtAddr,
        len: Bytes,
        lock: VmFlags,
    ) -> Result<Option<PageRange>, Errno> {
        let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
        let range = PageRange::new(start, end);
        if range.is_empty() {
            return Ok(None);
        }
        let mut start = start;
        while start < end {
            let id = self.vma_lookup(start).ok_or(Errno::ENOMEM)?;
            self.start_modify(id);
            let vma = self.vma(id);
            let part = PageRange::new(start, vma.end().min(end));
            let flags = vma.flags().difference(VmFlags::LOCKED_MASK) | lock;
            let id = self.lock_part(pages, id, part, flags)?;
            start = self.vma(id).end();
        }
        Ok(Some(range))
    }

    /// Gives a part of a VMA these flags (`mm/mlock.c: mlock_fixup()`, 6.19). Returns the VMA that
    /// the part is in then.
    pub(super) fn lock_part(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        part: PageRange,
        mut flags: VmFlags,
    ) -> Result<VmaId, Errno> {
        let old = self.vma(id).flags();
        if flags == old || !supports_mlock(old) {
            return Ok(id);
        }
        let id = self.vma_modify_flags(pages, id, part, &mut flags)?;
        let (was, is) = (
            old.contains(VmFlags::LOCKED),
            flags.contains(VmFlags::LOCKED),
        );
        if !is {
            // Not taken off twice: only flags of a locked VMA change to unlocked ones.
            self.counters.locked_vm -= part.pages();
        } else if !was {
            self.counters.locked_vm += part.pages();
        }
        self.vma_mut(id).set_flags(flags);
        if was != is {
            pages.lock_pages(self.vma(id), part);
        }
        Ok(id)
    }
}

/// The pages that a range has a byte of; lengths wrap as in Linux.
fn covering_pages(range: SyscallRange) -> (VirtAddr, Bytes) {
    let offset = range.addr.get() % PAGE_SIZE;
    let len = Bytes(range.len.get().wrapping_add(offset)).page_align();
    (range.addr.page_down(), len)
}
