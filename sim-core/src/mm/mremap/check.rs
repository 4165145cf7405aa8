//! What `mremap` refuses: mm/mremap.c: `check_mremap_params()` and `check_prep_vma()`, 6.18.

use crate::store::{VmaId, VmaStore};
use crate::{Errno, Mm, MremapArgs, MremapFlags, PAGE_SIZE, VmFlags};

use super::{Remap, Resize};

/// The flags that Linux knows.
const KNOWN: MremapFlags = MremapFlags::MAYMOVE
    .union(MremapFlags::FIXED)
    .union(MremapFlags::DONTUNMAP);

/// VMAs that keep their size and, with `DONTUNMAP`, their place.
const RIGID: VmFlags = VmFlags::DONTEXPAND.union(VmFlags::PFNMAP);

impl<S: VmaStore> Mm<S> {
    /// What can be said without looking at VMAs.
    pub(super) fn check_mremap_params(&self, args: &MremapArgs) -> Result<(), Errno> {
        let remap = Remap::new(args);
        let modern = self.config.features.multi_vma_mremap;
        let dontunmap = args.flags.contains(MremapFlags::DONTUNMAP);
        let resized = if modern {
            remap.old_len != remap.new_len
        } else {
            args.old_len != args.new_len
        };
        let bad_basics = !KNOWN.contains(args.flags)
            || !args.addr.is_page_aligned()
            || remap.new_len.get() == 0
            || (modern && remap.new_len.get() > self.config.layout.task_size.get());
        if bad_basics {
            return Err(Errno::EINVAL);
        }
        if !remap.implies_new_addr() {
            return Ok(());
        }
        let bad_target = !args.new_addr.is_page_aligned()
            || !args.flags.contains(MremapFlags::MAYMOVE)
            || (dontunmap && resized);
        if bad_target {
            return Err(Errno::EINVAL);
        }
        if modern {
            self.check_target(&remap)?;
        }
        // The target's and the source's unmapping may each split a VMA before anything moves.
        if self.map_count() + 2 >= self.map_count_reserve() {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// A target below the end of user space and clear of the source. (Up to 6.16 this was looked
    /// at after the source VMA.)
    pub(super) fn check_target(&self, remap: &Remap) -> Result<(), Errno> {
        let task_size = self.config.layout.task_size.get();
        let inside = task_size
            .checked_sub(remap.new_len.get())
            .is_some_and(|last| remap.new_addr.get() <= last);
        if !inside || remap.overlaps() {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Moves leave this distance to `max_map_count`, since they may split VMAs on the way.
    pub(super) fn map_count_reserve(&self) -> usize {
        (self.config.limits.max_map_count as usize).saturating_sub(3)
    }

    /// May this VMA be resized or moved so?
    pub(super) fn check_prep_vma(&self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        if self.vma(id).flags().contains(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if !remap.implies_new_addr() {
            remap.new_addr = remap.addr;
        }
        if remap.resize() != Resize::Grow && !remap.implies_new_addr() {
            return Ok(());
        }
        self.check_remap(id, remap)
    }

    /// The same before 6.17: a move is looked at only once its target is clear.
    pub(super) fn check_prep_vma_legacy(&self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        if self.vma(id).flags().contains(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if remap.implies_new_addr() {
            return Ok(());
        }
        remap.new_addr = remap.addr;
        match remap.resize() {
            Resize::Grow => self.check_remap(id, remap),
            Resize::None | Resize::Shrink => Ok(()),
        }
    }

    /// The checks of what expands or moves.
    pub(super) fn check_remap(&self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        let vma = self.vma(id);
        let flags = vma.flags();
        // With length 0 a shared mapping is mapped once more; for a private one that has no sense.
        if remap.old_len.get() == 0 && !flags.intersects(VmFlags::SHARED | VmFlags::MAYSHARE) {
            return Err(Errno::EINVAL);
        }
        if remap.has(MremapFlags::DONTUNMAP) && flags.intersects(RIGID) {
            return Err(Errno::EINVAL);
        }
        // A shrink unmaps the tail, which may reach beyond the VMA.
        let moved = remap.old_len.min(remap.new_len);
        if moved > vma.end() - remap.addr {
            return Err(Errno::EFAULT);
        }
        if remap.new_len == moved {
            return Ok(());
        }
        self.check_growth(id, remap)
    }

    fn check_growth(&self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        let vma = self.vma(id);
        let flags = vma.flags();
        remap.populate = flags.contains(VmFlags::LOCKED);
        let new_pages = remap.new_len.get() / PAGE_SIZE;
        let pgoff = vma.pgoff_of(remap.addr).get();
        if pgoff.checked_add(new_pages).is_none() {
            return Err(Errno::EINVAL);
        }
        if flags.intersects(RIGID) {
            return Err(Errno::EFAULT);
        }
        if !self.mlock_future_ok(flags, remap.delta().pages()) {
            return Err(Errno::EAGAIN);
        }
        if !self.may_expand_vm(flags, remap.delta().pages()) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }
}
