//! The VMA half of `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`: fs/userfaultfd.c:
//! `userfaultfd_register()`, `userfaultfd_unregister()`, mm/userfaultfd.c, 6.18.

use super::modify::UffdChange;
use crate::store::{VmaId, VmaStore};
use crate::{
    Errno, FileRef, Mm, PageOps, PageRange, SyscallRange, UffdCtxId, UffdMode, VmFlags, Vma,
};

/// A userfaultfd as registration sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uffd {
    /// Its context.
    pub context: UffdCtxId,
    /// It has `UFFD_FEATURE_WP_ASYNC`: write protection on any kind of memory.
    pub wp_async: bool,
}

/// The VMA flags of a mode.
const fn flags_of(mode: UffdMode) -> VmFlags {
    let mut flags = VmFlags::empty();
    if mode.contains(UffdMode::MISSING) {
        flags = flags.union(VmFlags::UFFD_MISSING);
    }
    if mode.contains(UffdMode::WP) {
        flags = flags.union(VmFlags::UFFD_WP);
    }
    if mode.contains(UffdMode::MINOR) {
        flags = flags.union(VmFlags::UFFD_MINOR);
    }
    flags
}

/// Can faults in this VMA be handed to user space (`vma_can_userfault()`)?
fn can_userfault(vma: &Vma, wanted: VmFlags, wp_async: bool) -> bool {
    let wanted = wanted & VmFlags::UFFD;
    let shmem = vma.file().is_some_and(FileRef::is_shmem);
    if vma
        .flags()
        .intersects(VmFlags::SPECIAL | VmFlags::DROPPABLE)
    {
        return false;
    }
    if wanted.contains(VmFlags::UFFD_MINOR) && !shmem {
        return false;
    }
    if wp_async && wanted == VmFlags::UFFD_WP {
        return true;
    }
    vma.is_anon() || shmem
}

impl<S: VmaStore> Mm<S> {
    /// `UFFDIO_REGISTER`.
    ///
    /// # Errors
    /// `EINVAL` without a mode, for a bad or unmapped range, or one with memory that cannot be
    /// registered so; `EPERM` for memory that can never be written; `EBUSY` if another
    /// userfaultfd has part of it; `ENOMEM` if a VMA cannot be split.
    pub fn uffd_register(
        &mut self,
        pages: &mut dyn PageOps,
        uffd: Uffd,
        range: SyscallRange,
        mode: UffdMode,
    ) -> Result<(), Errno> {
        if mode.is_empty() || !UffdMode::all().contains(mode) {
            return Err(Errno::EINVAL);
        }
        let flags = flags_of(mode);
        let range = self.uffd_range(range)?;
        self.check_registrable(uffd, range, flags)?;
        self.for_each_part(range, |mm, id, part| {
            mm.register_part(pages, uffd, (id, part), flags)
        })
        .map(drop)
    }

    /// `validate_range()`: whole pages below the end of user space, at least one.
    fn uffd_range(&self, range: SyscallRange) -> Result<PageRange, Errno> {
        let end = range.addr.checked_add(range.len).ok_or(Errno::EINVAL)?;
        let pages = PageRange::try_new(range.addr, end).ok_or(Errno::EINVAL)?;
        if pages.is_empty() || end > self.config.layout.task_size || self.find_in(pages).is_none() {
            return Err(Errno::EINVAL);
        }
        Ok(pages)
    }

    fn check_registrable(&self, uffd: Uffd, range: PageRange, flags: VmFlags) -> Result<(), Errno> {
        for (_, vma) in self.iter_in(range) {
            if !can_userfault(vma, flags, uffd.wp_async) {
                return Err(Errno::EINVAL);
            }
            if !vma.flags().contains(VmFlags::MAYWRITE) {
                return Err(Errno::EPERM);
            }
            if vma.uffd().is_some_and(|owner| owner != uffd.context) {
                return Err(Errno::EBUSY);
            }
        }
        Ok(())
    }

    fn register_part(
        &mut self,
        pages: &mut dyn PageOps,
        uffd: Uffd,
        (id, part): (VmaId, PageRange),
        flags: VmFlags,
    ) -> Result<VmaId, Errno> {
        self.start_modify(id);
        let vma = self.vma(id);
        let context = Some(uffd.context);
        // Registered for more than is asked now: that stays so.
        if vma.uffd() == context && vma.flags().contains(flags) {
            return Ok(id);
        }
        let change = UffdChange {
            range: part,
            flags: (vma.flags() - VmFlags::UFFD) | flags,
            uffd: context,
            give_up_on_oom: false,
        };
        let id = self.vma_modify_flags_uffd(pages, id, &change)?;
        let vma = self.vma_mut(id);
        vma.remove_flags(VmFlags::UFFD);
        vma.insert_flags(flags);
        vma.set_uffd(context);
        Ok(id)
    }

    /// `UFFDIO_UNREGISTER`.
    ///
    /// # Errors
    /// `EINVAL` for a bad or unmapped range, or one with memory of another kind or registered with
    /// another userfaultfd; `ENOMEM` if a VMA cannot be split.
    pub fn uffd_unregister(
        &mut self,
        pages: &mut dyn PageOps,
        uffd: Uffd,
        range: SyscallRange,
    ) -> Result<(), Errno> {
        let range = self.uffd_range(range)?;
        for (_, vma) in self.iter_in(range) {
            let foreign = vma.uffd().is_some_and(|owner| owner != uffd.context);
            if foreign || !can_userfault(vma, vma.flags(), uffd.wp_async) {
                return Err(Errno::EINVAL);
            }
        }
        self.for_each_part(range, |mm, id, part| mm.unregister_part(pages, id, part))
            .map(drop)
    }

    /// `userfaultfd_clear_vma()`.
    pub(crate) fn unregister_part(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        part: PageRange,
    ) -> Result<VmaId, Errno> {
        self.start_modify(id);
        let vma = self.vma(id);
        if vma.uffd().is_none() {
            return Ok(id);
        }
        if vma.flags().contains(VmFlags::UFFD_WP) {
            pages.uffd_wp_clear(vma, part);
        }
        let change = UffdChange {
            range: part,
            flags: vma.flags() - VmFlags::UFFD,
            uffd: None,
            give_up_on_oom: part == vma.range(),
        };
        let id = self.vma_modify_flags_uffd(pages, id, &change)?;
        let vma = self.vma_mut(id);
        vma.remove_flags(VmFlags::UFFD);
        vma.set_uffd(None);
        Ok(id)
    }
}
