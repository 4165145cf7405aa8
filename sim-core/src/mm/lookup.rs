//! Finding VMAs.

use crate::store::{VmaId, VmaStore};
use crate::{Candidate, Mm, PageRange, VirtAddr, Vma};

impl<S: VmaStore> Mm<S> {
    /// The VMA that contains `addr` (`vma_lookup()`).
    pub fn vma_lookup(&self, addr: VirtAddr) -> Option<VmaId> {
        self.store.get(addr).map(|entry| entry.id)
    }

    /// The first VMA that ends above `addr` (`find_vma()`).
    pub fn find_vma(&self, addr: VirtAddr) -> Option<VmaId> {
        self.store.find(addr).map(|entry| entry.id)
    }

    /// The last VMA that starts below `addr` (it may contain it) and the first that starts at or
    /// above it.
    pub fn around(&self, addr: VirtAddr) -> (Option<VmaId>, Option<VmaId>) {
        let found = self.store.neighbours(addr);
        (found.prev.map(|e| e.id), found.next.map(|e| e.id))
    }

    /// The VMA below a VMA.
    pub fn prev_of(&self, id: VmaId) -> Option<VmaId> {
        self.around(self.vma(id).start()).0
    }

    /// The VMA above a VMA.
    pub fn next_of(&self, id: VmaId) -> Option<VmaId> {
        self.find_vma(self.vma(id).end())
    }

    /// The VMAs below and above a VMA.
    pub fn sides_of(&self, id: VmaId) -> (Option<VmaId>, Option<VmaId>) {
        let found = self.store.sides(self.vma(id).range());
        (found.prev.map(|e| e.id), found.next.map(|e| e.id))
    }

    /// The first VMA that has a page in `range` (`find_vma_intersection()`).
    pub fn find_in(&self, range: PageRange) -> Option<VmaId> {
        self.store
            .find(range.start())
            .filter(|entry| entry.range.start() < range.end())
            .map(|entry| entry.id)
    }

    /// VMAs that end above `addr`, ascending.
    pub fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = (VmaId, &Vma)> + '_ {
        self.store
            .iter_from(addr)
            .map(|entry| (entry.id, self.vma(entry.id)))
    }

    /// VMAs that have a page in `range`, ascending.
    pub fn iter_in(&self, range: PageRange) -> impl Iterator<Item = (VmaId, &Vma)> + '_ {
        self.iter_from(range.start())
            .take_while(move |(_, vma)| vma.start() < range.end())
    }

    /// Every VMA, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (VmaId, &Vma)> + '_ {
        self.iter_from(VirtAddr::ZERO)
    }

    /// A VMA as a merge candidate.
    pub(crate) fn candidate(&self, id: VmaId) -> Candidate<'_> {
        let vma = self.vma(id);
        Candidate { id, vma }
    }
}
