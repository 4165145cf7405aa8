//! What operations cost, counted: nodes, allocations and locks, for `vmsim bench --counters`.
//!
//! Each thread counts for itself, once the program has asked for it: until then counting is a look
//! at a flag.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Does anybody want to know?
static WANTED: AtomicBool = AtomicBool::new(false);

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    /// Nodes of the VMA store looked at, each once a visit.
    Nodes,
    /// Nodes of the VMA store taken into use.
    NodesTaken,
    /// Nodes of the VMA store given back.
    NodesGiven,
    /// Simulated allocations of VMAs, anon_vmas and the like.
    Allocations,
    /// Simulated allocations of pages and page tables.
    Pages,
    /// mmap_lock taken for reading.
    MmapRead,
    /// mmap_lock taken for writing.
    MmapWrite,
    /// A VMA's lock taken for reading.
    VmaRead,
    /// A VMA's lock taken for writing.
    VmaWrite,
    /// Locks of page tables; those that a single thread leaves out count too.
    PageTable,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Nodes,
        Self::NodesTaken,
        Self::NodesGiven,
        Self::Allocations,
        Self::Pages,
        Self::MmapRead,
        Self::MmapWrite,
        Self::VmaRead,
        Self::VmaWrite,
        Self::PageTable,
    ];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::NodesTaken => "nodes.taken",
            Self::NodesGiven => "nodes.given_back",
            Self::Allocations => "alloc.kernel",
            Self::Pages => "alloc.pages",
            Self::MmapRead => "lock.mmap_read",
            Self::MmapWrite => "lock.mmap_write",
            Self::VmaRead => "lock.vma_read",
            Self::VmaWrite => "lock.vma_write",
            Self::PageTable => "lock.page_table",
        }
    }
}

thread_local! {
    static COUNTS: [Cell<u64>; Counted::ALL.len()] =
        const { [const { Cell::new(0) }; Counted::ALL.len()] };
}

/// Counts one.
#[inline]
pub fn count(what: Counted) {
    add(what, 1);
}

/// Counts several.
#[inline]
pub fn add(what: Counted, number: usize) {
    if WANTED.load(Relaxed) {
        add_wanted(what, number);
    }
}

#[cold]
fn add_wanted(what: Counted, number: usize) {
    COUNTS.with(|counts| {
        let count = &counts[what as usize];
        count.set(count.get() + number as u64);
    });
}

/// All threads begin to count, or no longer do.
pub fn set_wanted(wanted: bool) {
    WANTED.store(wanted, Relaxed);
}

/// What this thread has counted since it last asked.
pub fn take() -> impl Iterator<Item = (Counted, u64)> {
    Counted::ALL.into_iter().map(|what| {
        let count = COUNTS.with(|counts| counts[what as usize].replace(0));
        (what, count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone() {
        set_wanted(true);
        take().for_each(drop);
        for (what, number) in Counted::ALL.into_iter().zip(1..) {
            add(what, number);
        }
        let counts: Vec<_> = take().map(|(_, number)| number).collect();
        assert_eq!(counts, (1..=Counted::ALL.len() as u64).collect::<Vec<_>>());
        assert!(take().all(|(_, number)| number == 0));
    }
}
