//! What operations cost, counted: nodes, allocations and locks, for `vmsim bench --counters`.
//!
//! Each thread counts for itself, always: one instruction on its own memory costs less than asking
//! whether to.

use std::cell::Cell;
use std::thread::LocalKey;

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

    #[inline]
    const fn key(self) -> &'static LocalKey<Cell<u64>> {
        thread_local! {
            static NODES: Cell<u64> = const { Cell::new(0) };
            static NODES_TAKEN: Cell<u64> = const { Cell::new(0) };
            static NODES_GIVEN: Cell<u64> = const { Cell::new(0) };
            static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
            static PAGES: Cell<u64> = const { Cell::new(0) };
            static MMAP_READ: Cell<u64> = const { Cell::new(0) };
            static MMAP_WRITE: Cell<u64> = const { Cell::new(0) };
            static VMA_READ: Cell<u64> = const { Cell::new(0) };
            static VMA_WRITE: Cell<u64> = const { Cell::new(0) };
            static PAGE_TABLE: Cell<u64> = const { Cell::new(0) };
        }
        match self {
            Self::Nodes => &NODES,
            Self::NodesTaken => &NODES_TAKEN,
            Self::NodesGiven => &NODES_GIVEN,
            Self::Allocations => &ALLOCATIONS,
            Self::Pages => &PAGES,
            Self::MmapRead => &MMAP_READ,
            Self::MmapWrite => &MMAP_WRITE,
            Self::VmaRead => &VMA_READ,
            Self::VmaWrite => &VMA_WRITE,
            Self::PageTable => &PAGE_TABLE,
        }
    }
}

/// Counts one.
#[inline]
pub fn count(what: Counted) {
    add(what, 1);
}

/// Counts several.
#[inline]
pub fn add(what: Counted, number: usize) {
    let key = what.key();
    key.set(key.get() + number as u64);
}

/// What this thread has counted since it last asked.
pub fn take() -> impl Iterator<Item = (Counted, u64)> {
    Counted::ALL
        .into_iter()
        .map(|what| (what, what.key().replace(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone() {
        take().for_each(drop);
        for (what, number) in Counted::ALL.into_iter().zip(1..) {
            add(what, number);
        }
        let counts: Vec<_> = take().map(|(_, number)| number).collect();
        assert_eq!(counts, (1..=Counted::ALL.len() as u64).collect::<Vec<_>>());
        assert!(take().all(|(_, number)| number == 0));
    }
}
