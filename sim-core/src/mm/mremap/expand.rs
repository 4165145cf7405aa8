//! Growing a mapping, in place if there is room: mm/mremap.c: `expand_vma()`, 6.18.

use crate::store::{VmaId, VmaStore};
use crate::{
    AreaRequest, Backing, Bytes, Errno, MapFlags, Mm, MremapFlags, PageOffset, PageOps, PageRange,
    VirtAddr, VmFlags,
};

use super::Remap;

impl<S: VmaStore> Mm<S> {
    /// In place if the range ends where the VMA does and the addresses behind it are free, else by
    /// moving, if that is allowed.
    pub(super) fn expand(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<VirtAddr, Errno> {
        if self.can_expand_in_place(id, remap) {
            self.expand_in_place(pages, remap, id)?;
            return Ok(remap.addr);
        }
        if !remap.has(MremapFlags::MAYMOVE) {
            return Err(Errno::ENOMEM);
        }
        self.choose_new_addr(id, remap)?;
        self.move_vma(pages, remap, id)
    }

    /// `vrm_can_expand_in_place()` and `vma_expandable()`.
    fn can_expand_in_place(&self, id: VmaId, remap: &Remap) -> bool {
        let range = self.vma(id).range();
        if range.end() - remap.addr != remap.old_len {
            return false;
        }
        let Some(end) = range.end().checked_add(remap.delta()) else {
            return false;
        };
        if self.find_in(PageRange::new(range.end(), end)).is_some() {
            return false;
        }
        let request = AreaRequest {
            backing: Backing::Anon,
            addr: range.start(),
            len: end - range.start(),
            pgoff: PageOffset::new(0),
            flags: MapFlags::FIXED,
        };
        self.get_unmapped_area(&request).is_ok()
    }

    /// The VMA takes in the addresses behind it, and maybe the VMA behind those
    /// (`expand_vma_in_place()`).
    fn expand_in_place(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<(), Errno> {
        let flags = self.vma(id).flags();
        self.charge_remap(id, remap)?;
        if let Ok(Some(_)) = self.merge_extend(pages, id, remap.delta().pages()) {
            self.account_remap(flags, remap.delta());
            Ok(())
        } else {
            self.uncharge_remap(flags, remap);
            Err(Errno::ENOMEM)
        }
    }

    /// Charges what the remap adds (`vrm_calc_charge()`). Linux charges what a moved source was made
    /// shorter by, too, and never gives it back; here it is only asked whether there is as much.
    pub(super) fn charge_remap(&mut self, id: VmaId, remap: &mut Remap) -> Result<(), Errno> {
        if !self.vma(id).flags().contains(VmFlags::ACCOUNT) {
            return Ok(());
        }
        let charged = if remap.has(MremapFlags::DONTUNMAP) {
            remap.new_len
        } else {
            remap.delta()
        };
        self.commit.admits(remap.shrunk.pages())?;
        self.charge(charged.pages())?;
        remap.charged = charged.pages();
        Ok(())
    }

    /// Gives it back (`vrm_uncharge()`).
    pub(super) fn uncharge_remap(&mut self, flags: VmFlags, remap: &mut Remap) {
        if flags.contains(VmFlags::ACCOUNT) {
            self.uncharge(remap.charged);
            remap.charged = 0;
        }
    }

    /// Counts new pages (`vrm_stat_account()`).
    pub(super) fn account_remap(&mut self, flags: VmFlags, len: Bytes) {
        self.counters.add(flags, len.pages());
        if flags.contains(VmFlags::LOCKED) {
            self.counters.locked_vm += len.pages();
        }
    }
}
