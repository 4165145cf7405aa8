//! Registration with a userfaultfd, and what its other requests ask of VMAs.

use sim_core::{Errno, PAGE_SIZE, SyscallRange, UffdFeatures, UffdMode, VmFlags};

use super::page::Page;
use super::rules::Rules;
use super::space::{Pages, Space};

/// Can it be registered for this?
fn suits(rules: &Rules, page: &Page, mode: VmFlags) -> bool {
    if page.any(VmFlags::SPECIAL | VmFlags::DROPPABLE) {
        return false;
    }
    let shmem = page.is_shmem();
    if mode.contains(VmFlags::UFFD_MINOR) && !shmem {
        return false;
    }
    let any_kind =
        rules.uffd.contains(UffdFeatures::WP_ASYNC) && mode & VmFlags::UFFD == VmFlags::UFFD_WP;
    any_kind || shmem || page.map.is_anon()
}

impl Space {
    /// Whole pages of user space, at least one.
    fn uffd_pages(rules: &Rules, range: SyscallRange) -> Result<Pages, Errno> {
        let (addr, len) = (range.addr.get(), range.len.0);
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?;
        if !addr.is_multiple_of(PAGE_SIZE)
            || !len.is_multiple_of(PAGE_SIZE)
            || len == 0
            || end > rules.task_size()
        {
            return Err(Errno::EINVAL);
        }
        Ok((addr / PAGE_SIZE, end / PAGE_SIZE))
    }

    pub(super) fn register(
        &mut self,
        rules: &Rules,
        context: u32,
        range: SyscallRange,
        mode: UffdMode,
    ) -> Result<(), Errno> {
        let flags = [
            (UffdMode::MISSING, VmFlags::UFFD_MISSING),
            (UffdMode::WP, VmFlags::UFFD_WP),
            (UffdMode::MINOR, VmFlags::UFFD_MINOR),
        ];
        let flags: VmFlags = flags
            .into_iter()
            .filter(|(m, _)| mode.contains(*m))
            .map(|(_, flag)| flag)
            .collect();
        if mode.is_empty() || mode.bits() & !7 != 0 {
            return Err(Errno::EINVAL);
        }
        let pages = Self::uffd_pages(rules, range)?;
        if !self.is_used(pages) {
            return Err(Errno::EINVAL);
        }
        for run in self.within(pages) {
            if !suits(rules, &run.page, flags) {
                return Err(Errno::EINVAL);
            }
            if !run.page.has(VmFlags::MAYWRITE) {
                return Err(Errno::EPERM);
            }
            if run.page.uffd.is_some_and(|other| other != context) {
                return Err(Errno::EBUSY);
            }
        }
        self.set_uffd(rules, pages, Some(context), flags)
    }

    pub(super) fn unregister(
        &mut self,
        rules: &Rules,
        context: u32,
        range: SyscallRange,
    ) -> Result<(), Errno> {
        let pages = Self::uffd_pages(rules, range)?;
        let bad = |page: &Page| {
            page.uffd.is_some_and(|other| other != context) || !suits(rules, page, page.flags)
        };
        if !self.is_used(pages) || self.within(pages).any(|run| bad(&run.page)) {
            return Err(Errno::EINVAL);
        }
        self.set_uffd(rules, pages, None, VmFlags::empty())
    }

    /// `UFFDIO_WRITEPROTECT`: all there is must be registered for that; what comes before the first
    /// that is not has been protected.
    pub(super) fn writeprotect(&mut self, rules: &Rules, range: SyscallRange) -> Result<(), Errno> {
        let pages = Self::uffd_pages(rules, range)?;
        let ready = |page: &Page| page.uffd.is_some() && page.has(VmFlags::UFFD_WP);
        let objects = self
            .within(pages)
            .take_while(|run| ready(&run.page))
            .any(|run| !run.page.map.is_anon());
        self.marked |= objects;
        if !self.is_used(pages) || !self.within(pages).all(|run| ready(&run.page)) {
            return Err(Errno::ENOENT);
        }
        Ok(())
    }
}
