//! An address space with its pages: VMAs, page tables, resident counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, RwLock};
use sim_core::store::VmaStore;
use sim_core::{BrkFields, Mm, UffdCtxId, VirtAddr};
use sim_pagetable::{Arch, NoMemory, PageTables};

use crate::rss::Rss;
use crate::shared::Shared;

/// What `struct mm_struct` is in Linux: shared by the processes that `CLONE_VM` made.
#[derive(Debug)]
pub struct AddressSpace<A: Arch, S: VmaStore> {
    /// The VMAs; the lock is mmap_lock.
    pub mm: RwLock<Mm<S>>,
    /// Page tables and what goes with them.
    pub pages: SpacePages<A>,
    /// Processes that run in it (`mm_users`).
    users: AtomicU32,
}

/// The part of an address space that is not VMAs; changed under page-table locks.
#[derive(Debug)]
pub struct SpacePages<A: Arch> {
    /// The address space's number, in the order in which they were made.
    pub number: u32,
    /// The page tables.
    pub tables: PageTables<A>,
    /// Resident pages by kind.
    pub rss: Rss,
    /// The userfaultfd that its processes have opened.
    pub uffd: Mutex<Option<UffdCtxId>>,
}

impl<A: Arch> SpacePages<A> {
    /// Empty page tables.
    ///
    /// # Errors
    /// If there is no memory for the root table.
    pub(crate) fn new(shared: &Shared) -> Result<Self, NoMemory> {
        Ok(Self {
            number: shared.new_space_number(),
            tables: PageTables::new(Arc::clone(&shared.frames))?,
            rss: Rss::default(),
            uffd: Mutex::new(None),
        })
    }
}

impl<A: Arch, S: VmaStore> AddressSpace<A, S> {
    /// VMAs and their pages, with one process.
    pub(crate) fn new(mm: Mm<S>, pages: SpacePages<A>) -> Self {
        Self {
            mm: RwLock::new(mm),
            pages,
            users: AtomicU32::new(1),
        }
    }

    /// An empty one.
    ///
    /// # Errors
    /// If there is no memory for the root table.
    pub(crate) fn empty(shared: &Shared) -> Result<Self, NoMemory> {
        let mut mm = Mm::new(Arc::clone(&shared.config), &shared.mm);
        let heap = shared.config.layout.heap;
        mm.set_brk_fields(BrkFields {
            start_brk: heap,
            brk: heap,
            start_stack: VirtAddr::ZERO,
        });
        Ok(Self::new(mm, SpacePages::new(shared)?))
    }

    /// Processes that run in it.
    pub fn users(&self) -> u32 {
        self.users.load(Ordering::Acquire)
    }

    /// One more process runs in it.
    pub(crate) fn join(&self) {
        self.users.fetch_add(1, Ordering::AcqRel);
    }

    /// One process less runs in it; true for the last one.
    pub(crate) fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
