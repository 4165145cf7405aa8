//! Injected failures and the machine's commit limit: how simulated memory can be short.

use sim_sync::prim::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use sim_sync::tally::{self, Counted};

use crate::{Errno, store::NoMemory};

/// What the simulated kernel allocates and what may therefore fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AllocKind {
    /// A `vm_area_struct`.
    Vma,
    /// Nodes of the VMA tree (`vma_iter_prealloc()`).
    TreeNodes,
    /// An `anon_vma`.
    AnonVma,
    /// A link of an `anon_vma_chain`.
    AnonVmaChain,
    /// A memory policy.
    Policy,
    /// A page table.
    Table,
    /// A page.
    Page,
    /// Anything else (mm, files, userfaultfd contexts).
    Other,
}

/// Simulated kernel allocations that are to fail. One per machine, shared by all that allocate.
#[derive(Debug, Default)]
pub struct FailPoints {
    /// Allocations until the one that fails, that one included; 0: none will.
    left: AtomicU32,
    /// The failure took place.
    fired: AtomicBool,
}

impl FailPoints {
    /// The `nth` allocation from now fails, counted from 1; 0 undoes an earlier call.
    pub fn arm(&self, nth: u32) {
        self.left.store(nth, Ordering::Relaxed);
        self.fired.store(false, Ordering::Relaxed);
    }

    /// Did the failure take place since [`arm`](Self::arm) or the last
    /// [`take_fired`](Self::take_fired)?
    pub fn has_fired(&self) -> bool {
        self.fired.load(Ordering::Relaxed)
    }

    /// The same, and forgets it.
    pub fn take_fired(&self) -> bool {
        self.fired.swap(false, Ordering::Relaxed)
    }

    /// Nothing will fail. Called after each step, whether or not the failure took place.
    pub fn disarm(&self) {
        // Threads that inject nothing do not write to what they all read.
        if self.is_armed() || self.has_fired() {
            self.arm(0);
        }
    }

    /// Is a failure still to come?
    pub fn is_armed(&self) -> bool {
        self.left.load(Ordering::Relaxed) != 0
    }

    /// Counts one allocation.
    ///
    /// # Errors
    /// If it is the one that is to fail.
    #[inline]
    pub fn alloc(&self, kind: AllocKind) -> Result<(), NoMemory> {
        tally::count(match kind {
            AllocKind::Page | AllocKind::Table => Counted::Pages,
            AllocKind::Vma
            | AllocKind::TreeNodes
            | AllocKind::AnonVma
            | AllocKind::AnonVmaChain
            | AllocKind::Policy
            | AllocKind::Other => Counted::Allocations,
        });
        if !self.is_armed() {
            return Ok(());
        }
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            1 => {
                self.fired.store(true, Ordering::Relaxed);
                Err(NoMemory)
            }
            _still_to_come => Ok(()),
        }
    }
}

/// What an address space has charged to the commit limit under overcommit mode 0, its part of
/// `vm_committed_as`.
///
/// No decision depends on the sum over all address spaces, so there is no shared counter to contend
/// for. Charging holds mmap_lock for writing; giving back may hold it for reading.
#[derive(Debug)]
pub struct Commit {
    committed: AtomicI64,
    /// RAM and swap, in pages: no single request may exceed them.
    total: u64,
}

impl Commit {
    /// On a machine with so many pages of RAM and swap.
    pub const fn new(total_pages: u64) -> Self {
        Self {
            committed: AtomicI64::new(0),
            total: total_pages,
        }
    }

    /// That of a new address space on the same machine.
    pub(crate) const fn empty_like(&self) -> Self {
        Self::new(self.total)
    }

    /// Could so many pages be charged? (`mm/util.c: __vm_enough_memory()`)
    ///
    /// # Errors
    /// `ENOMEM` if the request alone exceeds RAM and swap.
    pub(crate) fn admits(&self, pages: u64) -> Result<(), Errno> {
        if pages > self.total {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Charges pages (`security_vm_enough_memory_mm()`; `mm/util.c: __vm_enough_memory()`).
    ///
    /// # Errors
    /// `ENOMEM` if the request alone exceeds RAM and swap.
    pub fn charge(&self, pages: u64) -> Result<(), Errno> {
        self.admits(pages)?;
        self.charge_unchecked(pages);
        Ok(())
    }

    /// Charges pages whatever the limit.
    pub(crate) fn charge_unchecked(&self, pages: u64) {
        let now = self.committed();
        self.committed
            .store(now + pages.cast_signed(), Ordering::Relaxed);
    }

    /// Gives charged pages back (`vm_unacct_memory()`).
    pub fn uncharge(&self, pages: u64) {
        self.committed
            .fetch_sub(pages.cast_signed(), Ordering::Relaxed);
    }

    /// Pages charged now.
    pub fn committed(&self) -> i64 {
        self.committed.load(Ordering::Relaxed)
    }
}
