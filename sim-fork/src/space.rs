//! An address space with its pages: VMAs, page tables, resident counters.

use sim_sync::prim::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use sim_core::store::VmaStore;
use sim_core::{
    BrkFields, Event, EventLog, Lock, Mm, MmConfig, PageRange, UffdCtxId, VirtAddr, VmaGuard,
    VmaReaders,
};
use sim_pagetable::{Arch, NoMemory, PageTables};
use sim_sync::{MmapLock, MmapRead, MmapWrite, WriteSection};
use sim_sync::{Mutex, class};

use crate::rss::Rss;
use crate::shared::Shared;

/// What `struct mm_struct` is in Linux: shared by the processes that `CLONE_VM` made.
#[derive(Debug)]
pub struct AddressSpace<A: Arch, S: VmaStore> {
    /// The VMAs; the lock is mmap_lock. Calls take it through `read` and
    /// `write`, which record it.
    pub mm: MmapLock<Mm<S>>,
    /// What happens in it.
    pub events: Arc<EventLog>,
    /// How threads find and lock VMAs without mmap_lock; made when the first ones run at the same
    /// time, since a writer need not lock VMAs before that.
    readers: OnceLock<VmaReaders<S>>,
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
    pub uffd: Mutex<Option<UffdCtxId>, class::Uffd>,
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
    pub(crate) fn new(mut mm: Mm<S>, pages: SpacePages<A>) -> Self {
        // Whoever made the VMAs had them for itself.
        mm.end_write();
        Self {
            events: Arc::clone(&mm.events),
            mm: MmapLock::new(mm),
            readers: OnceLock::new(),
            pages,
            users: AtomicU32::new(1),
        }
    }

    /// An empty one.
    ///
    /// # Errors
    /// If there is no memory for the root table.
    pub(crate) fn empty(shared: &Shared, config: Arc<MmConfig>) -> Result<Self, NoMemory> {
        let heap = config.layout.heap;
        let mut mm = Mm::new(config, &shared.mm);
        mm.set_brk_fields(BrkFields {
            start_brk: heap,
            brk: heap,
            start_stack: VirtAddr::ZERO,
        });
        Ok(Self::new(mm, SpacePages::new(shared)?))
    }

    /// mmap_lock for reading, recorded.
    pub(crate) fn read(&self) -> MmapRead<'_, Mm<S>> {
        self.record(Lock::MmapRead, None);
        self.mm.read()
    }

    /// The same by a thread that may have another address space's.
    pub(crate) fn read_recursive(&self) -> MmapRead<'_, Mm<S>> {
        self.record(Lock::MmapRead, None);
        self.mm.read_recursive()
    }

    /// mmap_lock for writing, recorded.
    pub(crate) fn write(&self) -> MmapWrite<'_, Mm<S>> {
        self.record(Lock::MmapWrite, None);
        self.mm.write()
    }

    /// Downgrades mmap_lock, recorded.
    pub(crate) fn downgrade<'a>(&self, mm: MmapWrite<'a, Mm<S>>) -> MmapRead<'a, Mm<S>> {
        let read = mm.downgrade();
        self.events.record(|| Event::Downgraded);
        read
    }

    fn record(&self, lock: Lock, range: Option<PageRange>) {
        self.events.record(|| Event::Locked { lock, range });
    }

    /// Starts or stops recording events. The locks that are recorded are those that threads would
    /// take.
    pub(crate) fn record_events(&self, on: bool) {
        self.mm.write().record_events(on);
        if on {
            self.share_among_threads();
        }
    }

    /// From now on several threads may run in it at the same time.
    pub(crate) fn share_among_threads(&self) {
        let mm = self.mm.read();
        self.readers.get_or_init(|| mm.readers());
    }

    /// The VMA of an address, locked for reading (`lock_vma_under_rcu()`). `None`: mmap_lock is to
    /// be taken.
    pub(crate) fn lock_vma(&self, addr: VirtAddr) -> Option<VmaGuard<'_>> {
        let vma = self.readers.get()?.lock(addr)?;
        self.record(Lock::VmaRead, Some(vma.range()));
        Some(vma)
    }

    /// The same if the VMA contains all of `range`.
    pub(crate) fn lock_vma_with(&self, range: PageRange) -> Option<VmaGuard<'_>> {
        let vma = self.readers.get()?.lock_all_of(range)?;
        self.record(Lock::VmaRead, Some(vma.range()));
        Some(vma)
    }

    /// How many of these addresses are in a VMA.
    pub(crate) fn count_mapped(&self, addresses: &[VirtAddr]) -> usize {
        let unlocked = self.readers.get().and_then(|r| r.count_mapped(addresses));
        unlocked.unwrap_or_else(|| {
            let mm = self.mm.read();
            let found = addresses.iter().filter(|at| mm.vma_lookup(**at).is_some());
            found.count()
        })
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
