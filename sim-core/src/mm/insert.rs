//! Putting a VMA into the tree and taking one out, without merging.

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{AllocKind, Detached, Event, Mm, PageOps};

impl<S: VmaStore> Mm<S> {
    /// Counts the allocations of a new VMA: the VMA and tree nodes.
    ///
    /// # Errors
    /// If memory is short.
    pub fn reserve_vma(&mut self) -> Result<(), NoMemory> {
        self.fail.alloc(AllocKind::Vma)?;
        self.fail.alloc(AllocKind::TreeNodes)
    }

    /// Puts a VMA, for which [`reserve_vma`](Self::reserve_vma) was called, into the tree
    /// (`mm/vma.c: vma_link()`). Counters are the caller's.
    pub fn link_vma(&mut self, pages: &mut dyn PageOps, vma: Detached) -> VmaId {
        let range = vma.range();
        let id = self.add_vma(vma);
        self.store.insert(range, id);
        if let Some(file) = self.vma(id).file() {
            pages.file_linked(file, self.vma(id));
        }
        self.events.record(|| Event::Insert { range });
        id
    }

    /// Inserts a VMA that somebody made: charges `ACCOUNT` (`mm/vma.c: insert_vm_struct()`). For
    /// the stack of a new program, tests and special mappings.
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn insert_vma(
        &mut self,
        pages: &mut dyn PageOps,
        vma: Detached,
    ) -> Result<VmaId, NoMemory> {
        let (flags, count) = (vma.flags(), vma.pages());
        let charged = if flags.contains(crate::VmFlags::ACCOUNT) {
            count
        } else {
            0
        };
        self.charge(charged).map_err(|_| NoMemory)?;
        self.reserve_vma()
            .inspect_err(|NoMemory| self.commit.uncharge(charged))?;
        let id = self.link_vma(pages, vma);
        self.counters.add(flags, count);
        if flags.contains(crate::VmFlags::LOCKED) {
            self.counters.locked_vm += count;
        }
        Ok(id)
    }

    /// Takes a VMA out of tree, arena and anon_vmas (`mm/vma.c: remove_vma()`). Its pages, the
    /// counters and the commit charge are the caller's.
    pub(crate) fn remove_vma(&mut self, pages: &mut dyn PageOps, id: VmaId) {
        let range = self.store.remove(self.vma(id).start()).range;
        let vma = self.take_vma(id);
        if let Some(file) = vma.file() {
            pages.file_unlinked(file, &vma);
        }
        vma.free(&self.anon_vmas);
        self.events.record(|| Event::Remove { range });
    }
}
