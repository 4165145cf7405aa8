//! The VMA half of fork: `dup_mmap()`.

use std::sync::Arc;

use sim_sync::Mutant;

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{AllocKind, CopyOnFork, Detached, Errno, Features, ForkOps, Mm, VmFlags, Vma};

/// Does fork copy the page tables of this VMA? (`mm/memory.c: vma_needs_copy()`)
pub fn vma_needs_copy(child: &Vma, parent: &Vma, features: &Features) -> bool {
    let raw = VmFlags::PFNMAP.union(VmFlags::MIXEDMAP);
    let flagged = match features.copy_on_fork {
        CopyOnFork::Legacy => {
            parent.flags().intersects(raw) || child.flags().contains(VmFlags::UFFD_WP)
        }
        CopyOnFork::Guard => {
            parent.flags().intersects(raw | VmFlags::MAYBE_GUARD)
                || child.flags().contains(VmFlags::UFFD_WP)
        }
        CopyOnFork::Source => parent.flags().intersects(VmFlags::COPY_ON_FORK),
        CopyOnFork::Child => child.flags().intersects(VmFlags::COPY_ON_FORK),
    };
    flagged || parent.anon_vma().is_some()
}

impl<S: VmaStore> Mm<S> {
    /// A copy of the address space for a child process (`mm/mmap.c: dup_mmap()`, 6.19).
    ///
    /// # Errors
    /// `ENOMEM`. The child's VMAs are gone then; whatever `ops` copied is the machine's to drop.
    pub fn fork(&mut self, ops: &mut dyn ForkOps) -> Result<Self, Errno> {
        let mut child = self.fork_empty()?;
        let all: Vec<_> = self.iter().map(|(id, _)| id).collect();
        for id in all {
            // From here on nobody faults pages in or installs guards behind fork's back.
            if !Mutant::ForkUnlocked.is_active() {
                self.start_write(id);
            }
            let vma = self.vma(id);
            if vma.flags().contains(VmFlags::DONTCOPY) {
                child.counters.sub(vma.flags(), vma.pages());
            } else if let Err(NoMemory) = self.fork_vma(ops, &mut child, id) {
                child.undo_fork(ops);
                return Err(Errno::ENOMEM);
            }
        }
        Ok(child)
    }

    fn fork_empty(&self) -> Result<Self, Errno> {
        let alloc = |kind| self.fail.alloc(kind).map_err(|NoMemory| Errno::ENOMEM);
        alloc(AllocKind::Other)?;
        alloc(AllocKind::TreeNodes)?;
        let mut counters = self.counters;
        counters.locked_vm = 0;
        counters.stray_locked = 0;
        Ok(Self {
            store: S::default(),
            vmas: self.vmas.empty_like(),
            config: Arc::clone(&self.config),
            anon_vmas: Arc::clone(&self.anon_vmas),
            fail: Arc::clone(&self.fail),
            commit: self.commit.empty_like(),
            counters,
            // VM_INIT_DEF_MASK.
            def_flags: self.def_flags & VmFlags::NOHUGEPAGE,
            brk: self.brk,
            events: Arc::new(self.events.empty_like()),
        })
    }

    fn fork_vma(&self, ops: &mut dyn ForkOps, child: &mut Self, id: VmaId) -> Result<(), NoMemory> {
        let parent = self.vma(id);
        let flags = parent.flags();
        let charge = if flags.contains(VmFlags::ACCOUNT) {
            parent.pages()
        } else {
            0
        };
        child.commit.charge(charge).map_err(|_| NoMemory)?;
        let copy = self.duplicate_for_child(ops, parent);
        let copy = copy.inspect_err(|_| child.commit.uncharge(charge))?;
        let range = copy.range();
        let new = child.add_vma(copy);
        child.store.insert(range, new);
        let copy = child.vma(new);
        if let Some(file) = copy.file() {
            ops.file_linked(file, copy);
        }
        let wiped = copy.flags().contains(VmFlags::WIPEONFORK);
        if !wiped && vma_needs_copy(copy, parent, &self.config.features) {
            ops.copy_pages(parent, copy)?;
        }
        Ok(())
    }

    fn duplicate_for_child(
        &self,
        ops: &mut dyn ForkOps,
        parent: &Vma,
    ) -> Result<Detached, NoMemory> {
        self.fail.alloc(AllocKind::Vma)?;
        if parent.policy().is_some() {
            self.fail.alloc(AllocKind::Policy)?;
        }
        let mut copy = parent.duplicate(parent.range(), parent.pgoff());
        if parent.uffd().is_some() {
            let context = ops.uffd_context(parent);
            copy.set_uffd(context);
            if context.is_none() {
                copy.remove_flags(VmFlags::UFFD);
            }
        }
        if !parent.flags().contains(VmFlags::WIPEONFORK) {
            self.anon_vmas.fork(&mut copy, parent, &self.fail)?;
        }
        copy.remove_flags(VmFlags::LOCKED_MASK);
        Ok(copy)
    }

    /// Drops the VMAs of a child whose fork failed.
    fn undo_fork(&mut self, ops: &mut dyn ForkOps) {
        let all: Vec<_> = self.iter().map(|(id, _)| id).collect();
        for id in all {
            self.store.remove(self.vma(id).start());
            let vma = self.take_vma(id);
            if vma.flags().contains(VmFlags::ACCOUNT) {
                self.uncharge(vma.pages());
            }
            ops.undo(&vma);
            vma.free(&self.anon_vmas);
        }
    }
}
