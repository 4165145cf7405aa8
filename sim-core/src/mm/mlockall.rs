//! mlockall, munlockall.

use super::stats::limit_pages;
use crate::store::VmaStore;
use crate::{Errno, MlockallFlags, Mm, PageOps, VirtAddr, VmFlags};

impl<S: VmaStore> Mm<S> {
    /// `mlockall(2)`. With `MCL_CURRENT` the machine then populates the whole address space and
    /// ignores errors.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mlockall(&mut self, pages: &mut dyn PageOps, flags: MlockallFlags) -> Result<(), Errno> {
        let known = MlockallFlags::CURRENT | MlockallFlags::FUTURE | MlockallFlags::ONFAULT;
        if flags.is_empty() || !known.contains(flags) || flags == MlockallFlags::ONFAULT {
            return Err(Errno::EINVAL);
        }
        if !self.can_do_mlock() {
            return Err(Errno::EPERM);
        }
        let limits = &self.config.limits;
        let fits = self.counters.total_vm <= limit_pages(limits.memlock) || limits.privileged;
        if flags.contains(MlockallFlags::CURRENT) && !fits {
            return Err(Errno::ENOMEM);
        }
        self.apply_mlockall(pages, flags);
        Ok(())
    }

    /// `munlockall(2)`.
    pub fn munlockall(&mut self, pages: &mut dyn PageOps) {
        self.apply_mlockall(pages, MlockallFlags::empty());
    }

    /// Changes the flags of new VMAs and of those there are; errors of single VMAs are ignored
    /// (`mm/mlock.c: apply_mlockall_flags()`, 6.19).
    fn apply_mlockall(&mut self, pages: &mut dyn PageOps, flags: MlockallFlags) {
        let lock = if flags.contains(MlockallFlags::ONFAULT) {
            VmFlags::LOCKED_MASK
        } else {
            VmFlags::LOCKED
        };
        self.def_flags.remove(VmFlags::LOCKED_MASK);
        if flags.contains(MlockallFlags::FUTURE) {
            self.def_flags |= lock;
            if !flags.contains(MlockallFlags::CURRENT) {
                return;
            }
        }
        let add = if flags.contains(MlockallFlags::CURRENT) {
            lock
        } else {
            VmFlags::empty()
        };
        let mut at = VirtAddr::ZERO;
        while let Some(id) = self.find_vma(at) {
            self.start_modify(id);
            let vma = self.vma(id);
            let new = vma.flags().difference(VmFlags::LOCKED_MASK) | add;
            let done = self.lock_part(pages, id, vma.range(), new).unwrap_or(id);
            at = self.vma(done).end();
        }
    }
}
