//! What happened inside a call: merges considered, splits, insertions, removals.
//!
//! Off by default. While off, recording costs one branch and builds nothing: events are made by
//! closures.

use sim_sync::prim::atomic::{AtomicBool, Ordering::Relaxed};
use sim_sync::{Mutex, class};

use crate::merge::MergeReport;
use crate::{Lock, PageRange, Refusal, ScanResult, VirtAddr};

/// One thing that happened to an address space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A merge was considered: what became of it, and why.
    Merge(Box<MergeReport>),
    /// A VMA was split in two.
    Split {
        /// The VMA as it was.
        range: PageRange,
        /// Where.
        at: VirtAddr,
    },
    /// A mapping or a split was refused before anything was considered: for the limit on VMAs or
    /// for want of memory.
    Refused {
        /// What was to be mapped, or the VMA to be split.
        range: PageRange,
        /// Why.
        why: Refusal,
    },
    /// A VMA entered the tree without merging.
    Insert {
        /// Its addresses.
        range: PageRange,
    },
    /// A VMA was unmapped.
    Remove {
        /// Its addresses.
        range: PageRange,
    },
    /// A VMA was trimmed at one end (`vma_shrink()`).
    Shrink {
        /// As it was.
        from: PageRange,
        /// As it is.
        to: PageRange,
    },
    /// A VMA got an anon_vma.
    AnonVma {
        /// The VMA's addresses.
        range: PageRange,
        /// Whether a neighbour's was taken.
        reused: bool,
    },
    /// A lock was taken, in the order of taking; VMA locks for writing follow when they are let go.
    Locked {
        /// Which: mmap_lock or a VMA's.
        lock: Lock,
        /// The VMA's addresses.
        range: Option<PageRange>,
    },
    /// mmap_lock, held for writing, was downgraded.
    Downgraded,
    /// A block was scanned for a collapse.
    Collapse {
        /// Its addresses.
        range: PageRange,
        /// How that ended.
        result: ScanResult,
    },
}

/// A list of events; see the module's head. Faults record under a read lock, hence the mutex.
#[derive(Debug, Default)]
pub struct EventLog {
    on: AtomicBool,
    events: Mutex<Vec<Event>, class::Events>,
}

impl EventLog {
    /// An empty log that records if this one does (a child's at fork).
    #[must_use]
    pub(crate) fn empty_like(&self) -> Self {
        Self {
            on: AtomicBool::new(self.is_enabled()),
            events: Mutex::default(),
        }
    }

    /// Starts or stops recording.
    pub fn set_enabled(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// Is it recording?
    pub fn is_enabled(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// Records what `event` makes, if recording.
    #[inline]
    pub fn record(&self, event: impl FnOnce() -> Event) {
        if self.is_enabled() {
            self.events.lock().push(event());
        }
    }

    /// Takes out what has been recorded.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock())
    }
}
