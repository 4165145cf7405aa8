//! [`PageOps`]: what VMA operations do to pages, on real page tables.

mod device;
mod moves;
mod protect;
mod zap;

use sim_core::{
    Errno, FileId, FileRef, FreeTables, MoveFailed, PageOps, PageRange, PrepareAnonVma,
    ProtectionChange, TableMove, UffdCtxId, UffdFeatures, VirtAddr, VmFlags, Vma,
};
use sim_pagetable::{Arch, Va};

pub(crate) use self::protect::UffdWp;
pub(crate) use self::zap::{ZapMode, pages_of_object};
use crate::file;
use crate::pager::Pager;
use crate::thp;
use crate::va::{va, va_range};

impl<A: Arch> PageOps for Pager<'_, A> {
    fn split_huge(&mut self, vma: &Vma, at: VirtAddr) {
        self.split_around(vma, at);
    }

    fn unmap(&mut self, vma: &Vma, range: PageRange) {
        self.zap(vma, range, ZapMode::Unmap);
    }

    fn free_tables(&mut self, what: FreeTables) {
        let ceiling = what.ceiling.map_or(Va::new(0), va);
        let flush = self
            .tables()
            .free_tables(va_range(what.range), va(what.floor), ceiling);
        self.tables().flush(flush);
    }

    fn change_protection(&mut self, vma: &Vma, change: ProtectionChange) {
        // Tables are only allocated for markers, which mprotect does not write.
        let done = self.protect(vma, change.range, UffdWp::Keep);
        debug_assert!(done.is_ok(), "mprotect allocates nothing");
    }

    fn populate(&mut self, vma: &Vma, range: PageRange, prepare: PrepareAnonVma<'_>) {
        // A failure shows at the next access.
        let _ = self.populate_part(vma, range, prepare);
    }

    fn move_tables(&mut self, from: &Vma, _to: &Vma, what: TableMove) -> Result<(), MoveFailed> {
        self.move_entries(from, what)
    }

    fn lock_pages(&mut self, vma: &Vma, range: PageRange) {
        self.mark_locked(vma, range);
    }

    fn new_shared_anon(&mut self, pages: u64, _flags: VmFlags) -> Result<FileId, Errno> {
        let fail = self.shared.fail();
        fail.alloc(sim_core::AllocKind::Other)
            .map_err(|_| Errno::ENOMEM)?;
        Ok(self.shared.files.new_dev_zero(pages).file().id)
    }

    fn mmap_file(&mut self, vma: &Vma) -> Result<(), Errno> {
        self.map_device(vma)
    }

    fn file_linked(&mut self, file: FileRef, _vma: &Vma) {
        file::link(self.shared, file);
    }

    fn file_unlinked(&mut self, file: FileRef, _vma: &Vma) {
        file::unlink(self.shared, file);
    }

    fn khugepaged_enter(&mut self, vma: &Vma, flags: VmFlags) {
        thp::khugepaged::enter(self, vma, flags);
    }

    fn uffd_follows_mremap(&self, _context: UffdCtxId) -> bool {
        let features = self.shared.uffd_features();
        features.contains(UffdFeatures::EVENT_REMAP)
    }

    fn uffd_wp_clear(&mut self, vma: &Vma, range: PageRange) {
        let done = self.protect(vma, range, UffdWp::Resolve);
        debug_assert!(done.is_ok(), "clearing protection allocates nothing");
    }
}
