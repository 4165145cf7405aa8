//! Finding and locking a VMA without mmap_lock.

use crate::store::{StoreReader, VmaStore};
use crate::vma_arena::{VmaCells, VmaGuard};
use crate::{PageRange, VirtAddr};

/// What a thread finds VMAs of an address space through while another one may hold its mmap_lock
/// for writing.
#[derive(Debug)]
pub struct VmaReaders<S: VmaStore> {
    store: S::Reader,
    cells: VmaCells,
}

impl<S: VmaStore> VmaReaders<S> {
    pub(crate) const fn new(store: S::Reader, cells: VmaCells) -> Self {
        Self { store, cells }
    }

    /// The VMA that contains `addr`, locked for reading (`mm/mmap_lock.c:
    /// lock_vma_under_rcu()`, 6.19). `None`: there is none, or a writer has it or the store; who
    /// has to know takes mmap_lock.
    pub fn lock(&self, addr: VirtAddr) -> Option<VmaGuard<'_>> {
        let entry = self.store.get(addr).ok()??;
        // Since then the VMA may have gone, and its cell may have another one.
        let vma = self.cells.lock(entry.id)?;
        vma.range().contains(addr).then_some(vma)
    }

    /// The same if the VMA contains all of `range` (`mm/madvise.c: try_vma_read_lock()`, 6.19).
    pub fn lock_all_of(&self, range: PageRange) -> Option<VmaGuard<'_>> {
        let vma = self.lock(range.start())?;
        vma.range().contains_range(range).then_some(vma)
    }

    /// How many of these addresses are in a VMA, without a lock; `None` if the store was being
    /// changed.
    pub fn count_mapped(&self, addresses: &[VirtAddr]) -> Option<usize> {
        let mut found = 0;
        for addr in addresses {
            found += usize::from(self.store.get(*addr).ok()?.is_some());
        }
        Some(found)
    }
}
