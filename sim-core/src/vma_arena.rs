//! The VMAs of an address space: cells that never move, each with its lock.
//!
//! A cell is what `struct vm_area_struct` is in a slab cache of `SLAB_TYPESAFE_BY_RCU`: a thread
//! that found its number in the store may look at its lock although the VMA is gone or another one
//! lives there meanwhile; the lock tells. The owner (`&mut VmaArena`, which is mmap_lock held for
//! writing) changes a VMA after it locked it for writing; other threads ([`VmaCells`]) read one
//! that they locked for reading.
#![expect(
    unsafe_code,
    reason = "a VMA is shared with readers that hold its lock and not the mm's"
)]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sim_sync::prim::atomic::{Ordering, fence};
use sim_sync::{Chunked, MmSeq, VmaLock, VmaRead};

use crate::store::VmaId;
use crate::{PageRange, Vma};

/// Cells of the first chunk.
const FIRST_CHUNK: usize = 32;

/// One VMA, or a free place, with its lock: one cache line, so that readers of different VMAs do
/// not disturb each other.
#[repr(align(64))]
struct VmaCell {
    lock: VmaLock,
    /// `None` while the cell is free. Written by the owner of the arena only, and then only while
    /// `lock` is detached or locked for writing; read by threads that locked it for reading, and by
    /// the owner.
    vma: UnsafeCell<Option<Vma>>,
}

const _: () = assert!(size_of::<VmaCell>() == 64, "a VMA is to stay small");

// SAFETY: `lock` is made for sharing. `vma` is reached through a shared cell in two ways: by
// `VmaCells::lock`, which holds the lock for reading as long as the reference lives, so that the
// owner waits before it writes; and by the owner, who does not write while it has shared references
// (borrow rules on the arena). What is behind the reference is a `Vma`, which is `Sync`.
unsafe impl Sync for VmaCell {}

const _: () = {
    const fn assert_sync<T: Sync + Send>() {}
    assert_sync::<Vma>();
};

/// The part of an arena that threads share.
struct Shared {
    cells: Chunked<VmaCell, FIRST_CHUNK>,
    seq: MmSeq,
}

impl Shared {
    #[inline]
    fn cell(&self, id: VmaId) -> Option<&VmaCell> {
        self.cells.get(id.0 as usize)
    }

    /// The cell of a VMA that was made.
    #[inline]
    #[track_caller]
    fn made(&self, id: VmaId) -> &VmaCell {
        self.cell(id).expect("a VMA of this arena")
    }

    /// The cell, made if it is not there yet.
    fn make(&self, index: usize) -> &VmaCell {
        self.cells.get_or_make(index, |len| {
            let empty = || VmaCell {
                lock: VmaLock::new(),
                vma: UnsafeCell::new(None),
            };
            std::iter::repeat_with(empty).take(len).collect()
        })
    }
}

/// The VMAs of an address space, for the owner of the address space.
pub(crate) struct VmaArena {
    shared: Arc<Shared>,
    /// Cells that were used and are free.
    free: Vec<u32>,
    /// Cells that were ever used.
    used: u32,
    /// VMAs that were locked for writing in this section, if that is noted.
    noted: Option<Vec<PageRange>>,
}

impl VmaArena {
    pub(crate) fn new() -> Self {
        Self::with_capacity(0)
    }

    /// With room for so many VMAs.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let shared = Shared {
            cells: Chunked::new(),
            seq: MmSeq::new(),
        };
        let mut made = 0;
        while made < capacity {
            shared.make(made);
            made = Chunked::<VmaCell, FIRST_CHUNK>::chunk_end(made);
        }
        Self {
            shared: Arc::new(shared),
            free: Vec::new(),
            used: 0,
            noted: None,
        }
    }

    /// An empty one with room for as many VMAs, which notes what this one does.
    pub(crate) fn empty_like(&self) -> Self {
        let mut empty = Self::with_capacity(self.len());
        empty.note_write_locks(self.noted.is_some());
        empty
    }

    /// Starts or stops noting which VMAs are locked for writing.
    pub(crate) fn note_write_locks(&mut self, on: bool) {
        self.noted = on.then(|| self.noted.take().unwrap_or_default());
    }

    /// Addresses of the VMAs that were locked for writing since the last time.
    pub(crate) fn take_noted(&mut self) -> Vec<PageRange> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many VMAs there are.
    pub(crate) fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    /// Every VMA.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma> + '_ {
        (0..self.used).filter_map(|index| self.find(VmaId(index)))
    }

    /// What other threads lock and read VMAs through.
    pub(crate) fn cells(&self) -> VmaCells {
        VmaCells {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Attaches a VMA, locked for writing; the store is the caller's.
    pub(crate) fn insert(&mut self, vma: Vma) -> VmaId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.used;
            self.used = index.checked_add(1).expect("too many VMAs");
            index
        });
        let cell = self.shared.make(index as usize);
        debug_assert!(!cell.lock.is_attached(), "a-free-cell-is-detached");
        // SAFETY: the cell is detached, so no other thread reads it, and `&mut self` is the owner.
        unsafe { *cell.vma.get() = Some(vma) };
        cell.lock.attach(&self.shared.seq);
        VmaId(index)
    }

    /// Detaches a VMA, after the last of its readers has left; the store is the caller's.
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub(crate) fn remove(&mut self, id: VmaId) -> Vma {
        let cell = self.shared.made(id);
        let was_locked = cell.lock.is_write_locked(&self.shared.seq);
        cell.lock.detach();
        // SAFETY: the cell is detached, so no other thread reads it, and `&mut self` is the owner.
        let vma = unsafe { (*cell.vma.get()).take() };
        let vma = vma.expect("an-attached-cell-has-a-vma");
        self.free.push(id.0);
        if let (Some(noted), false) = (&mut self.noted, was_locked) {
            noted.push(vma.range());
        }
        vma
    }

    fn find(&self, id: VmaId) -> Option<&Vma> {
        let cell = self.shared.cell(id)?;
        // SAFETY: only the owner writes, through `&mut self`, which cannot be while `&self` lives.
        unsafe { &*cell.vma.get() }.as_ref()
    }

    /// A VMA.
    ///
    /// # Panics
    /// If there is none with this id.
    #[inline]
    #[track_caller]
    pub(crate) fn get(&self, id: VmaId) -> &Vma {
        self.find(id).expect("a-freed-vma-is-never-used")
    }

    /// Locks a VMA for writing until the write section ends (`vma_start_write()`).
    ///
    /// # Panics
    /// If there is none with this id.
    #[inline]
    #[track_caller]
    pub(crate) fn start_write(&mut self, id: VmaId) {
        self.write_locked(id);
    }

    /// The cell of a VMA, locked for writing until the write section ends.
    #[inline]
    #[track_caller]
    fn write_locked(&mut self, id: VmaId) -> &VmaCell {
        let cell = self.shared.made(id);
        if !cell.lock.is_write_locked(&self.shared.seq) {
            if let Some(noted) = &mut self.noted {
                // SAFETY: as in `find`: `&mut self` is the owner, who does not write now.
                let vma = unsafe { &*cell.vma.get() }.as_ref();
                noted.extend(vma.map(Vma::range));
            }
            if Arc::strong_count(&self.shared) == 1 {
                // Nobody else has the cells, nor can get them while `&mut self` lives. Who had
                // them has let them go: what it read happened before.
                fence(Ordering::Acquire);
                cell.lock.start_write_alone(&self.shared.seq);
            } else {
                cell.lock.start_write(&self.shared.seq);
            }
        }
        cell
    }

    /// A VMA, locked for writing until the write section ends.
    ///
    /// # Panics
    /// If there is none with this id.
    #[inline]
    #[track_caller]
    pub(crate) fn get_mut(&mut self, id: VmaId) -> &mut Vma {
        let cell = self.write_locked(id);
        // SAFETY: the VMA is locked for writing, so no other thread reads it; the lock ends in
        // `end_write_all`, which needs `&mut self`, as all that reaches this VMA does.
        unsafe { &mut *cell.vma.get() }
            .as_mut()
            .expect("a-freed-vma-is-never-used")
    }

    /// A VMA to be changed, and another one.
    ///
    /// # Panics
    /// If there is none with one of the ids, or they are the same.
    #[track_caller]
    pub(crate) fn get_mut_and(&mut self, id: VmaId, other: VmaId) -> (&mut Vma, &Vma) {
        assert_ne!(id, other, "two VMAs");
        self.start_write(id);
        let (cell, other) = (self.shared.made(id), self.shared.made(other));
        // SAFETY: as in `get_mut`, and as in `find`; they are different cells.
        let (vma, other) = unsafe { (&mut *cell.vma.get(), &*other.vma.get()) };
        let found = vma.as_mut().zip(other.as_ref());
        found.expect("a-freed-vma-is-never-used")
    }

    /// Is a VMA locked for writing in this write section?
    #[inline]
    #[track_caller]
    pub(crate) fn is_write_locked(&self, id: VmaId) -> bool {
        self.shared.made(id).lock.is_write_locked(&self.shared.seq)
    }

    /// The write section ends: unlocks all VMAs (`vma_end_write_all()`).
    pub(crate) fn end_write_all(&mut self) {
        self.shared.seq.end_write_all();
    }
}

impl fmt::Debug for VmaArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The VMAs of an address space, for threads that do not hold its mmap_lock.
#[derive(Clone)]
pub(crate) struct VmaCells {
    shared: Arc<Shared>,
}

impl VmaCells {
    /// Locks a VMA for reading, whatever became of it since its number was read from the store.
    /// `None`: it is being changed or was removed. The caller checks that it is the right one.
    pub(crate) fn lock(&self, id: VmaId) -> Option<VmaGuard<'_>> {
        let cell = self.shared.cell(id)?;
        let read = cell.lock.try_read(&self.shared.seq)?;
        // SAFETY: the lock is held for reading as long as the reference lives, since the guard has
        // both: the owner does not write meanwhile.
        let vma = unsafe { &*cell.vma.get() }.as_ref()?;
        Some(VmaGuard { vma, _read: read })
    }
}

impl fmt::Debug for VmaCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmaCells").finish_non_exhaustive()
    }
}

/// A VMA locked for reading, without mmap_lock (`lock_vma_under_rcu()`).
#[derive(Debug)]
pub struct VmaGuard<'a> {
    vma: &'a Vma,
    _read: VmaRead<'a>,
}

impl Deref for VmaGuard<'_> {
    type Target = Vma;

    fn deref(&self) -> &Vma {
        self.vma
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backing, PageOffset, VirtAddr, VmFlags};

    fn page(number: u64) -> Vma {
        let range = PageRange::from_pages(VirtAddr::new(number << 12), 1);
        Vma::new(range, PageOffset::new(0), VmFlags::READ, Backing::Anon).attach()
    }

    #[test]
    fn cells_are_used_again() {
        let mut arena = VmaArena::new();
        let ids: Vec<_> = (0..100).map(|n| arena.insert(page(n))).collect();
        assert_eq!(arena.remove(ids[40]).start(), page(40).start());
        assert_eq!(arena.len(), 99);
        assert_eq!(arena.insert(page(100)), ids[40]);
        assert_eq!(arena.iter().count(), 100);
    }

    #[test]
    #[should_panic(expected = "a-freed-vma-is-never-used")]
    fn a_freed_vma_is_never_used() {
        let mut arena = VmaArena::new();
        let id = arena.insert(page(1));
        arena.remove(id);
        arena.get(id);
    }

    #[test]
    #[should_panic(expected = "only-attached-vmas-are-detached")]
    fn a_vma_is_detached_once() {
        let mut arena = VmaArena::new();
        let id = arena.insert(page(1));
        arena.remove(id);
        arena.remove(id);
    }

    #[test]
    fn readers_see_what_the_last_section_left() {
        let mut arena = VmaArena::new();
        let cells = arena.cells();
        let id = arena.insert(page(1));
        assert!(cells.lock(id).is_none(), "new and locked");
        arena.end_write_all();
        assert!(
            cells
                .lock(id)
                .is_some_and(|vma| vma.flags() == VmFlags::READ)
        );
        arena.get_mut(id).set_flags(VmFlags::WRITE);
        assert!(cells.lock(id).is_none(), "being changed");
        arena.end_write_all();
        assert!(
            cells
                .lock(id)
                .is_some_and(|vma| vma.flags() == VmFlags::WRITE)
        );
        arena.remove(id);
        assert!(cells.lock(id).is_none(), "removed");
        assert!(cells.lock(VmaId(1 << 20)).is_none(), "never was");
    }

    /// Readers under locks beside a writer that changes VMAs, removes them and uses their cells
    /// again: what a reader sees of a VMA belongs together.
    #[test]
    fn a_locked_vma_does_not_change() {
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let mut arena = VmaArena::new();
        let cells = arena.cells();
        let id = arena.insert(page(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        if let Some(vma) = cells.lock(id) {
                            let (number, pgoff) = (vma.start().page_number(), vma.pgoff().get());
                            std::thread::yield_now();
                            assert_eq!(number, pgoff, "range and offset change together");
                            assert_eq!(vma.start().page_number(), number, "it stays");
                        }
                    }
                });
            }
            for n in 1..rounds {
                if n % 3 == 0 {
                    arena.remove(id);
                    let mut new = page(n);
                    new.set_range(new.range(), PageOffset::new(n));
                    assert_eq!(arena.insert(new), id);
                } else {
                    let range = PageRange::from_pages(VirtAddr::new(n << 12), 1);
                    arena.get_mut(id).set_range(range, PageOffset::new(n));
                }
                arena.end_write_all();
            }
        });
    }
}
