//! What happened inside a call: merges considered, splits, insertions, removals.
//!
//! Off by default. While off, recording costs one branch and builds nothing: events are made by
//! closures.

use crate::merge::MergeReport;
use crate::{PageRange, VirtAddr};

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
}

/// A list of events; see the module's head.
#[derive(Debug, Default)]
pub struct EventLog {
    on: bool,
    events: Vec<Event>,
}

impl EventLog {
    /// Starts or stops recording.
    pub fn set_enabled(&mut self, on: bool) {
        self.on = on;
    }

    /// Is it recording?
    pub const fn is_enabled(&self) -> bool {
        self.on
    }

    /// Records what `event` makes, if recording.
    #[inline]
    pub fn record(&mut self, event: impl FnOnce() -> Event) {
        if self.on {
            self.events.push(event());
        }
    }

    /// Takes out what has been recorded.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
