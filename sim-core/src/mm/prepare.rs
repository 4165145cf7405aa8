//! The first anon_vma of a VMA, at the first private page: `&Mm`, as faults hold only a read lock.

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{AnonVmaId, Event, Mm, VmFlags, Vma};

impl<S: VmaStore> Mm<S> {
    /// Gives a VMA an anon_vma if it has none, a neighbour's if they may merge one day
    /// (`mm/rmap.c: __anon_vma_prepare()`, `mm/vma.c: find_mergeable_anon_vma()`, 6.19).
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn anon_vma_prepare(&self, id: VmaId) -> Result<(), NoMemory> {
        let vma = self.vma(id);
        if vma.anon_vma().is_some() {
            return Ok(());
        }
        let reusable = self.find_mergeable_anon_vma(id);
        if self.anon_vmas.prepare(vma, reusable, &self.fail)? {
            self.events.record(|| Event::AnonVma {
                range: vma.range(),
                reused: reusable.is_some(),
            });
        }
        Ok(())
    }

    /// A neighbour's anon_vma that the VMA may take: the next one's first.
    fn find_mergeable_anon_vma(&self, id: VmaId) -> Option<AnonVmaId> {
        let vma = self.vma(id);
        // Only those that touch it come into question; VMAs elsewhere are not even read.
        let sides = self.store.sides(vma.range());
        let next = sides.next.filter(|e| e.range.start() == vma.end());
        let from_next = next.and_then(|entry| {
            let next = self.vma(entry.id);
            self.reusable_anon_vma(vma, next, next)
        });
        from_next.or_else(|| {
            let prev = sides.prev.filter(|e| e.range.end() == vma.start())?;
            let prev = self.vma(prev.id);
            self.reusable_anon_vma(prev, vma, prev)
        })
    }

    /// The anon_vma of `old` if the VMAs `a` and, above it, `b` differ in nothing but access
    /// (`mm/vma.c: anon_vma_compatible()`, `reusable_anon_vma()`).
    fn reusable_anon_vma(&self, a: &Vma, b: &Vma, old: &Vma) -> Option<AnonVmaId> {
        let ignored = self
            .config
            .features
            .ignored_by_merge()
            .union(VmFlags::ACCESS_FLAGS);
        let compatible = a.end() == b.start()
            && a.policy() == b.policy()
            && a.backing() == b.backing()
            && (a.flags() ^ b.flags()).difference(ignored).is_empty()
            && b.pgoff() == a.pgoff_of(a.end());
        if compatible && old.chain_len() == 1 {
            old.anon_vma()
        } else {
            None
        }
    }
}
