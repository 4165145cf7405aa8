//! Moving one VMA or a part of it: mm/mremap.c: `move_vma()`, 6.18.
//!
//! ```text
//!  copy_vma ─► move_page_tables ─► account ─► unmap the source, or keep it empty (DONTUNMAP)
//!                    │ fails
//!                    └─► move back ─► unmap the copy
//! ```

use crate::store::{VmaId, VmaStore};
use crate::{
    AreaRequest, Bytes, Errno, MapFlags, Mm, MremapFlags, PageOps, PageRange, TableMove, VirtAddr,
    VmFlags, VmaHooks,
};

use super::Remap;

/// What `copy_vma_and_data()` leaves behind.
struct Copied {
    /// The VMA to finish with: the source, or the copy if moving failed.
    leaving: VmaId,
    /// The copy.
    copy: VmaId,
    /// What moving failed with.
    result: Result<(), Errno>,
}

impl<S: VmaStore> Mm<S> {
    /// Where it goes (`vrm_set_new_addr()`): as for `mmap`, with `FIXED`, with the new address as a
    /// hint (`DONTUNMAP`), or anywhere.
    pub(super) fn choose_new_addr(&self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        let vma = self.vma(id);
        let mut flags = MapFlags::empty();
        flags.set(MapFlags::FIXED, remap.has(MremapFlags::FIXED));
        flags.set(MapFlags::SHARED, vma.flags().contains(VmFlags::MAYSHARE));
        let addr = if remap.implies_new_addr() {
            remap.new_addr
        } else {
            VirtAddr::ZERO
        };
        remap.new_addr = self.get_unmapped_area(&AreaRequest {
            backing: vma.backing(),
            addr,
            len: remap.new_len,
            pgoff: vma.pgoff_of(remap.addr),
            flags,
        })?;
        Ok(())
    }

    /// Moves the range to the address chosen, which is free.
    pub(super) fn move_vma(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<VirtAddr, Errno> {
        let old = PageRange::new(remap.addr, remap.addr + remap.old_len);
        self.prep_move(pages, id, old)?;
        self.charge_remap(id, remap)?;
        // Nobody faults in it or changes its flags from here on.
        self.start_write(id);
        let copied = self.copy_vma_and_data(pages, remap, id)?;
        let flags = self.vma(copied.leaving).flags();
        self.account_remap(flags, remap.new_len);
        if copied.result.is_ok() && remap.has(MremapFlags::DONTUNMAP) {
            self.leave_source_empty(old, &copied);
        } else {
            let moved = if copied.result.is_ok() {
                old
            } else {
                PageRange::new(remap.new_addr, remap.new_addr + remap.new_len)
            };
            self.unmap_source(pages, remap, copied.leaving, moved);
        }
        copied.result.map(|()| remap.new_addr)
    }

    /// What must hold before (`prep_move_vma()`).
    fn prep_move(&self, pages: &mut dyn PageOps, id: VmaId, old: PageRange) -> Result<(), Errno> {
        if self.map_count() >= self.map_count_reserve() {
            return Err(Errno::ENOMEM);
        }
        let vma = self.vma(id);
        if vma.hooks().contains(VmaHooks::NO_SPLIT) && vma.range() != old {
            return Err(Errno::EINVAL);
        }
        if vma.flags().contains(VmFlags::MERGEABLE) && vma.anon_vma().is_some() {
            pages.ksm_unmerge(vma, old);
        }
        Ok(())
    }

    /// Makes the copy and moves the page tables; on failure moves them back.
    fn copy_vma_and_data(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<Copied, Errno> {
        let flags = self.vma(id).flags();
        let to = (remap.new_addr, remap.new_len);
        let pgoff = self.vma(id).pgoff_of(remap.addr);
        let Ok(copy) = self.copy_vma(pages, id, to, pgoff) else {
            self.uncharge_remap(flags, remap);
            return Err(Errno::ENOMEM);
        };
        let there = TableMove {
            from: PageRange::new(remap.addr, remap.addr + remap.old_len),
            to: remap.new_addr,
            rmap_locks: copy.need_rmap_locks,
        };
        let source = copy.source;
        let result = self.move_tables(pages, (source, copy.id), there);
        let leaving = if result.is_ok() {
            self.drop_moved_uffd(pages, copy.id);
            source
        } else {
            copy.id
        };
        Ok(Copied {
            leaving,
            copy: copy.id,
            result,
        })
    }

    fn move_tables(
        &mut self,
        pages: &mut dyn PageOps,
        (from, to): (VmaId, VmaId),
        there: TableMove,
    ) -> Result<(), Errno> {
        self.start_write(to);
        let (from, to) = (self.vma(from), self.vma(to));
        let (moved, error) = match pages.move_tables(from, to, there) {
            Ok(()) if to.hooks().contains(VmaHooks::NO_MREMAP) => {
                (there.from.pages(), Errno::EINVAL)
            }
            Ok(()) => return Ok(()),
            Err(failed) => (failed.moved_pages, Errno::ENOMEM),
        };
        let back = TableMove {
            from: PageRange::from_pages(there.to, moved),
            to: there.from.start(),
            rmap_locks: true,
        };
        // The tables of the old place are still there: this cannot fail.
        let _ = pages.move_tables(to, from, back);
        Err(error)
    }

    /// A moved VMA keeps its userfaultfd only if that asked for remap events
    /// (`mremap_userfaultfd_prep()`).
    fn drop_moved_uffd(&mut self, pages: &mut dyn PageOps, copy: VmaId) {
        let vma = self.vma_mut(copy);
        if let Some(context) = vma.uffd()
            && !pages.uffd_follows_mremap(context)
        {
            vma.set_uffd(None);
            vma.remove_flags(VmFlags::UFFD);
        }
    }

    /// `DONTUNMAP`: the source stays mapped without pages (`dontunmap_complete()`).
    fn leave_source_empty(&mut self, old: PageRange, copied: &Copied) {
        let source = copied.leaving;
        if self.vma(source).flags().contains(VmFlags::LOCKED) {
            self.counters.stray_locked += self.vma(source).pages();
        }
        let vma = self.vma_mut(source);
        vma.remove_flags(VmFlags::LOCKED_MASK);
        if copied.copy != source && vma.range() == old {
            self.anon_vmas.unlink(self.vmas.get_mut(source));
        }
    }

    /// Unmaps the source (or the copy after a failure). `ACCOUNT` is taken off meanwhile, since
    /// the charge moves along, and put back on what is left of the VMA (`unmap_source_vma()`).
    fn unmap_source(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &Remap,
        id: VmaId,
        range: PageRange,
    ) {
        let vma = self.vma_mut(id);
        let whole = vma.range();
        let accountable =
            vma.flags().contains(VmFlags::ACCOUNT) && !remap.has(MremapFlags::DONTUNMAP);
        if accountable {
            vma.remove_flags(VmFlags::ACCOUNT);
        }
        if self
            .unmap_checked(pages, range.start(), range.len())
            .is_err()
        {
            // Nothing was moved (length 0), or the source could not be split: only the accounts
            // are put right.
            let _ = self.charge(range.len().pages());
            return;
        }
        if accountable {
            self.restore_account(whole, range);
        }
    }

    fn restore_account(&mut self, whole: PageRange, unmapped: PageRange) {
        let one = Bytes::from_pages(1);
        let below = (whole.start() < unmapped.start()).then(|| unmapped.start() - one);
        let above = (unmapped.end() < whole.end()).then(|| unmapped.end());
        for addr in below.into_iter().chain(above) {
            if let Some(id) = self.vma_lookup(addr) {
                self.vma_mut(id).insert_flags(VmFlags::ACCOUNT);
            }
        }
    }
}
