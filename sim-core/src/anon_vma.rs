//! The machine's `anon_vma`s: what VMAs with private pages share, and how fork chains them.
//!
//! ```text
//!   parent VMA  ──own──▶ A        fork      child VMA ──own──▶ B  (root A, parent A)
//!        chain: [A]             ───────▶         chain: [A, B]
//! ```
//!
//! Merging asks two things of them: are two VMAs' own anon_vmas the same, and is a chain longer
//! than one link (`mm/vma.c: is_mergeable_anon_vma()`). Whether fork may reuse an old anon_vma
//! depends on its children and on the VMAs whose own it is (`mm/rmap.c: anon_vma_clone()`).
//!
//! The arena is shared by all processes; counters are atomic and slots never move, so that links
//! are counted without a lock. Only creating and freeing takes one.

use sim_sync::prim::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use sim_sync::{Chunked, Mutex, class};

use crate::store::NoMemory;
use crate::vma::LongChain;
use crate::{AllocKind, AnonVmaId, FailPoints, Vma};

/// Slots in the first chunk of the arena.
const FIRST_CHUNK: usize = 64;

/// One link of a chain, in [`AnonVma::uses`].
const LINK: u64 = 1;
/// One VMA whose own anon_vma it is, in [`AnonVma::uses`].
const ACTIVE: u64 = 1 << 32;

/// One `struct anon_vma`.
#[derive(Debug, Default)]
#[repr(align(32))]
struct AnonVma {
    /// Low half: VMAs in its interval tree, links of chains that lead to it; 0: the slot is free.
    /// High half: VMAs whose own anon_vma it is (`num_active_vmas`). One number, so that a VMA
    /// comes or goes with one atomic operation.
    uses: AtomicU64,
    /// anon_vmas whose parent it is; a root counts itself (`num_children`).
    children: AtomicU32,
    /// Index of the parent; a root's is its own.
    parent: AtomicU32,
    /// Index of the root.
    root: AtomicU32,
}

impl AnonVma {
    fn links(&self) -> u32 {
        self.uses.load(Relaxed) as u32
    }

    fn active(&self) -> u32 {
        (self.uses.load(Relaxed) / ACTIVE) as u32
    }
}

/// What an anon_vma looks like at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnonVmaView {
    /// Links of VMAs' chains that lead to it.
    pub links: u32,
    /// anon_vmas whose parent it is; a root counts itself.
    pub children: u32,
    /// VMAs whose own anon_vma it is.
    pub active: u32,
    /// Its parent; a root's is itself.
    pub parent: AnonVmaId,
    /// The root of its tree of forks.
    pub root: AnonVmaId,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<usize>,
    used: usize,
}

/// Every anon_vma of a machine.
#[derive(Debug, Default)]
pub struct AnonVmas {
    all: Chunked<AnonVma, FIRST_CHUNK>,
    slots: Mutex<Slots, class::AnonVmas>,
}

/// What a VMA's link to `id` counts if its own anon_vma is `own`.
const fn uses_of(id: AnonVmaId, own: AnonVmaId) -> u64 {
    if id.index() == own.index() {
        LINK + ACTIVE
    } else {
        LINK
    }
}

impl AnonVmas {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are now.
    pub fn count(&self) -> usize {
        let slots = self.slots.lock();
        slots.used - slots.free.len()
    }

    /// The counters of one.
    pub fn view(&self, id: AnonVmaId) -> AnonVmaView {
        let it = self.slot(id);
        AnonVmaView {
            links: it.links(),
            children: it.children.load(Relaxed),
            active: it.active(),
            parent: AnonVmaId::from_index(it.parent.load(Relaxed) as usize),
            root: AnonVmaId::from_index(it.root.load(Relaxed) as usize),
        }
    }

    /// Every one, by ascending id.
    pub fn ids(&self) -> Vec<AnonVmaId> {
        let slots = self.slots.lock();
        let mut ids: Vec<_> = (0..slots.used).map(AnonVmaId::from_index).collect();
        ids.retain(|id| !slots.free.contains(&id.index()));
        ids
    }

    /// Gives a VMA its first anon_vma: `reusable`, or a new one
    /// (`mm/rmap.c: __anon_vma_prepare()`, 6.19). Does nothing if it has one. Returns whether it
    /// changed anything. Threads may race for one VMA; the first one wins.
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn prepare(
        &self,
        vma: &Vma,
        reusable: Option<AnonVmaId>,
        fail: &FailPoints,
    ) -> Result<bool, NoMemory> {
        if vma.anon_vma().is_some() {
            return Ok(false);
        }
        fail.alloc(AllocKind::AnonVmaChain)?;
        if reusable.is_none() {
            fail.alloc(AllocKind::AnonVma)?;
        }
        let mut slots = self.slots.lock();
        if vma.anon_vma().is_some() {
            return Ok(false);
        }
        let id = if let Some(id) = reusable {
            self.slot(id).uses.fetch_add(LINK + ACTIVE, Relaxed);
            id
        } else {
            self.create(&mut slots, None, LINK + ACTIVE)
        };
        vma.publish_anon_vma(id);
        Ok(true)
    }

    /// Gives `dst`, which has none, the anon_vma and the chain of `src` (`mm/rmap.c:
    /// anon_vma_clone()` after the own anon_vma was copied: split, merge, move).
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn clone_chain(&self, dst: &mut Vma, src: &Vma, fail: &FailPoints) -> Result<(), NoMemory> {
        self.reserve_clone(src, fail)?;
        self.clone_reserved(dst, src);
        Ok(())
    }

    /// Counts the allocations of [`clone_chain`](Self::clone_chain) without doing it.
    ///
    /// # Errors
    /// If memory is short.
    pub fn reserve_clone(&self, src: &Vma, fail: &FailPoints) -> Result<(), NoMemory> {
        if fail.is_armed() {
            for _link in src.chain() {
                fail.alloc(AllocKind::AnonVmaChain)?;
            }
        }
        Ok(())
    }

    /// [`clone_chain`](Self::clone_chain) after its allocations.
    pub fn clone_reserved(&self, dst: &mut Vma, src: &Vma) {
        debug_assert!(dst.anon_vma().is_none(), "the target has an anon_vma");
        let Some(own) = src.anon_vma() else { return };
        for id in src.chain() {
            self.slot(id).uses.fetch_add(uses_of(id, own), Relaxed);
        }
        dst.set_chain(Some(own), src.long_chain().cloned());
    }

    /// Gives a child's VMA at fork the parent's chain and an anon_vma of its own, reusing one of
    /// the chain that has fewer than two children and no active VMA (`mm/rmap.c: anon_vma_fork()`).
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn fork(&self, child: &mut Vma, parent: &Vma, fail: &FailPoints) -> Result<(), NoMemory> {
        let Some(parent_own) = parent.anon_vma() else {
            return Ok(());
        };
        self.reserve_clone(parent, fail)?;
        // Until the end: two processes must not reuse the same one.
        let mut slots = self.slots.lock();
        let mut chain: LongChain = parent.chain().collect();
        let own = if let Some(reused) = chain.iter().copied().find(|&id| self.is_reusable(id)) {
            reused
        } else {
            fail.alloc(AllocKind::AnonVma)?;
            fail.alloc(AllocKind::AnonVmaChain)?;
            let id = self.create(&mut slots, Some(parent_own), 0);
            chain.push(id);
            id
        };
        for &id in &chain {
            self.slot(id).uses.fetch_add(uses_of(id, own), Relaxed);
        }
        let long = (chain.len() > 1).then(|| Arc::new(chain));
        drop(slots);
        child.set_chain(Some(own), long);
        Ok(())
    }

    /// Takes a VMA out of all its anon_vmas and frees those that have no VMA left
    /// (`mm/rmap.c: unlink_anon_vmas()`).
    pub fn unlink(&self, vma: &mut Vma) {
        let Some(own) = vma.anon_vma() else { return };
        match vma.long_chain() {
            None => self.unlink_one(own, own),
            // Newest first: a child goes before its parent.
            Some(chain) => chain.iter().rev().for_each(|&id| self.unlink_one(id, own)),
        }
        vma.set_chain(None, None);
    }

    fn unlink_one(&self, id: AnonVmaId, own: AnonVmaId) {
        let before = self.slot(id).uses.fetch_sub(uses_of(id, own), Relaxed);
        if before as u32 == 1 {
            self.free(id);
        }
    }

    /// May fork hand this one on to a child? A root has itself as a child, so that one with a
    /// further child never qualifies.
    fn is_reusable(&self, id: AnonVmaId) -> bool {
        let it = self.slot(id);
        it.children.load(Relaxed) < 2 && it.active() == 0
    }

    /// A new one below `parent`, or a root, with its first `uses`. Nobody else knows of it yet.
    fn create(&self, slots: &mut Slots, parent: Option<AnonVmaId>, uses: u64) -> AnonVmaId {
        let index = slots.free.pop().unwrap_or(slots.used);
        slots.used = slots.used.max(index + 1);
        let id = AnonVmaId::from_index(index);
        let (parent, root, children) = match parent {
            Some(parent) => {
                let above = self.slot(parent);
                above.children.fetch_add(1, Relaxed);
                (parent.index() as u32, above.root.load(Relaxed), 0)
            }
            None => (index as u32, index as u32, 1),
        };
        let it = self.slot(id);
        it.uses.store(uses, Relaxed);
        it.children.store(children, Relaxed);
        it.parent.store(parent, Relaxed);
        it.root.store(root, Relaxed);
        id
    }

    fn free(&self, id: AnonVmaId) {
        let it = self.slot(id);
        let parent = AnonVmaId::from_index(it.parent.load(Relaxed) as usize);
        self.slot(parent).children.fetch_sub(1, Relaxed);
        assert_eq!(it.active(), 0, "freed anon_vma is active");
        assert_eq!(it.children.load(Relaxed), 0, "freed anon_vma has children");
        self.slots.lock().free.push(id.index());
    }

    fn slot(&self, id: AnonVmaId) -> &AnonVma {
        self.all.get_or_make(id.index(), |len| {
            std::iter::repeat_with(AnonVma::default).take(len).collect()
        })
    }
}
