//! The address space: Linux's `struct mm_struct` and the operations on it.
//!
//! `&mut Mm` is mmap_lock held for writing, `&Mm` is it (or a VMA's lock) held for reading; a
//! violation of the locking rules does not compile. Every operation is a file; what it needs of
//! page tables it says through [`PageOps`](crate::PageOps).

mod brk;
mod config;
mod copy;
mod exec_stack;
mod exit;
mod fork;
mod insert;
mod invariants;
mod lookup;
mod madvise;
mod mbind;
mod mlock;
mod mlockall;
mod mmap;
mod mmap_checks;
mod modify;
mod mprotect;
mod mremap;
mod mseal;
mod munmap;
mod prepare;
mod split;
mod stack;
mod stats;
mod sync;
#[cfg(test)]
mod tests;
mod uffd_register;
mod unmapped_area;
mod vma_name;
mod walk;

pub use brk::BrkFields;
pub use config::{Layout, MmConfig, MmShared};
pub use copy::CopiedVma;
pub use fork::vma_needs_copy;
pub use madvise::{AdviceClass, admit_page_advice, advised_flags, check_madvise, classify_advice};
pub use mlock::LockRange;
pub use mmap::Mapped;
pub use modify::{NewRangeRequest, UffdChange};
pub use munmap::DetachedVmas;
pub use split::NewPart;
pub use stats::Counters;
pub use uffd_register::Uffd;
pub use unmapped_area::AreaRequest;

use std::sync::Arc;

use crate::store::{DefaultStore, VmaId, VmaStore};
use crate::vma_arena::VmaArena;
use crate::vma_readers::VmaReaders;
use crate::{
    AnonVmas, Commit, Detached, Event, EventLog, FailPoints, Features, Lock, Policy, VmFlags, Vma,
};
use sim_sync::WriteSection;

/// An address space.
#[derive(Debug)]
pub struct Mm<S: VmaStore = DefaultStore> {
    pub(crate) store: S,
    pub(crate) vmas: VmaArena,
    pub(crate) config: Arc<MmConfig>,
    pub(crate) anon_vmas: Arc<AnonVmas>,
    pub(crate) fail: Arc<FailPoints>,
    pub(crate) commit: Commit,
    pub(crate) counters: Counters,
    /// Flags that every new VMA gets (`mlockall(MCL_FUTURE)`; `PR_SET_THP_DISABLE` and the like).
    pub(crate) def_flags: VmFlags,
    pub(crate) brk: BrkFields,
    /// What happened; see [`EventLog`].
    pub events: Arc<EventLog>,
}

impl<S: VmaStore> Mm<S> {
    /// An empty address space.
    pub fn new(config: Arc<MmConfig>, shared: &MmShared) -> Self {
        Self {
            store: S::default(),
            vmas: VmaArena::new(),
            config,
            anon_vmas: Arc::clone(&shared.anon_vmas),
            fail: Arc::clone(&shared.fail),
            commit: Commit::new(shared.commit_limit),
            counters: Counters::default(),
            def_flags: VmFlags::empty(),
            brk: BrkFields::default(),
            events: Arc::default(),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &MmConfig {
        &self.config
    }

    /// The behaviours in force.
    pub fn features(&self) -> &Features {
        &self.config.features
    }

    /// The store of its VMAs.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The machine's anon_vmas.
    pub fn anon_vmas(&self) -> &AnonVmas {
        &self.anon_vmas
    }

    /// The machine's failure points.
    pub fn fail_points(&self) -> &FailPoints {
        &self.fail
    }

    /// What it has charged to the commit limit.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// `total_vm` and its like.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Flags that every new VMA gets.
    pub const fn def_flags(&self) -> VmFlags {
        self.def_flags
    }

    /// How many VMAs there are (`map_count`).
    pub fn map_count(&self) -> usize {
        self.store.len()
    }

    /// A VMA.
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn vma(&self, id: VmaId) -> &Vma {
        self.vmas.get(id)
    }

    /// A VMA, to be changed; what it may become from outside is below.
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub(crate) fn vma_mut(&mut self, id: VmaId) -> &mut Vma {
        self.vmas.get_mut(id)
    }

    /// Sets some flags of a VMA (`vm_flags_set()`).
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn vm_flags_set(&mut self, id: VmaId, flags: VmFlags) {
        self.vma_mut(id).insert_flags(flags);
    }

    /// Clears some flags of a VMA (`vm_flags_clear()`).
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn vm_flags_clear(&mut self, id: VmaId, flags: VmFlags) {
        self.vma_mut(id).remove_flags(flags);
    }

    /// Replaces the policy of a VMA (`mm/mempolicy.c: vma_replace_policy()`).
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn replace_policy(&mut self, id: VmaId, policy: Option<Policy>) {
        self.vma_mut(id).set_policy(policy);
    }

    /// Locks a VMA for writing until the write section ends (`vma_start_write()`): before page
    /// tables change in a way that its readers must not see.
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn start_write(&mut self, id: VmaId) {
        self.vmas.start_write(id);
    }

    /// Is a VMA locked for writing in this write section (`vma_assert_write_locked()`)?
    ///
    /// # Panics
    /// If there is none with this id.
    #[track_caller]
    pub fn is_write_locked(&self, id: VmaId) -> bool {
        self.vmas.is_write_locked(id)
    }

    /// Starts or stops recording events.
    pub fn record_events(&mut self, on: bool) {
        self.events.set_enabled(on);
        self.vmas.note_write_locks(on);
    }

    /// What finds and locks VMAs without mmap_lock, beside a writer.
    pub fn readers(&self) -> VmaReaders<S> {
        VmaReaders::new(self.store.reader(), self.vmas.cells())
    }

    /// Puts a VMA into the arena; the store is the caller's.
    pub(crate) fn add_vma(&mut self, vma: Detached) -> VmaId {
        self.vmas.insert(vma.attach())
    }

    /// Takes a VMA out of the arena; the store is the caller's.
    #[track_caller]
    pub(crate) fn take_vma(&mut self, id: VmaId) -> Detached {
        Detached::new(self.vmas.remove(id))
    }
}

impl<S: VmaStore> WriteSection for Mm<S> {
    fn end_write(&mut self) {
        self.vmas.end_write_all();
        let locked = self.vmas.take_noted();
        for range in locked {
            let lock = Lock::VmaWrite;
            self.events.record(|| Event::Locked {
                lock,
                range: Some(range),
            });
        }
    }
}
