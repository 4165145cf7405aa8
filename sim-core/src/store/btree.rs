//! The standard library's `BTreeMap` as a store: the baseline of the benchmarks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::{Bytes, PageRange, VirtAddr};

use super::{Entry, LockedReader, Neighbours, NoMemory, VmaId, VmaStore, linear};

/// A store that maps each start to its end and VMA in a `BTreeMap`. Gap search is linear.
#[derive(Default, Debug)]
pub struct BTreeStore {
    map: BTreeMap<VirtAddr, (VirtAddr, VmaId)>,
}

type Pair<'a> = (&'a VirtAddr, &'a (VirtAddr, VmaId));

fn entry((&start, &(end, id)): Pair<'_>) -> Entry {
    Entry {
        range: PageRange::new(start, end),
        id,
    }
}

impl BTreeStore {
    /// The last entry that starts at or below `addr`.
    fn at_or_below(&self, addr: VirtAddr) -> Option<Entry> {
        self.map.range(..=addr).next_back().map(entry)
    }

    /// Does `range` lie between the entries around it?
    fn fits(range: PageRange, around: Neighbours) -> bool {
        around.prev.is_none_or(|e| e.range.end() <= range.start())
            && around.next.is_none_or(|e| range.end() <= e.range.start())
    }

    /// The entries before and after the one that starts at `start`.
    fn beside(&self, start: VirtAddr) -> Neighbours {
        let above = (Excluded(start), Unbounded);
        Neighbours {
            prev: self.map.range(..start).next_back().map(entry),
            next: self.map.range(above).next().map(entry),
        }
    }
}

impl VmaStore for BTreeStore {
    const NAME: &'static str = "btree";

    /// It has no readers without a lock.
    type Reader = LockedReader;

    fn reader(&self) -> LockedReader {
        LockedReader
    }

    fn begin_change(&mut self) {}

    fn end_change(&mut self) {}

    fn len(&self) -> usize {
        self.map.len()
    }

    fn get(&self, addr: VirtAddr) -> Option<Entry> {
        self.at_or_below(addr).filter(|e| e.range.contains(addr))
    }

    fn find(&self, addr: VirtAddr) -> Option<Entry> {
        self.get(addr).or_else(|| {
            self.map
                .range((Excluded(addr), Unbounded))
                .next()
                .map(entry)
        })
    }

    fn neighbours(&self, addr: VirtAddr) -> Neighbours {
        Neighbours {
            prev: self.map.range(..addr).next_back().map(entry),
            next: self.map.range(addr..).next().map(entry),
        }
    }

    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_ {
        let first = self.get(addr).map_or(addr, |e| e.range.start());
        self.map.range((Included(first), Unbounded)).map(entry)
    }

    fn reserve(&mut self, _inserts: usize) -> Result<(), NoMemory> {
        Ok(())
    }

    fn insert(&mut self, range: PageRange, id: VmaId) {
        assert!(!range.is_empty(), "an entry must not be empty");
        let fits = || Self::fits(range, self.neighbours(range.start()));
        debug_assert!(fits(), "{range} overlaps an entry");
        self.map.insert(range.start(), (range.end(), id));
    }

    fn remove(&mut self, start: VirtAddr) -> Entry {
        let (end, id) = self.map.remove(&start).expect("no entry starts there");
        Entry {
            range: PageRange::new(start, end),
            id,
        }
    }

    fn resize(&mut self, start: VirtAddr, to: PageRange) {
        assert!(!to.is_empty(), "an entry must not be empty");
        debug_assert!(Self::fits(to, self.beside(start)), "{to} overlaps an entry");
        if to.start() == start {
            let (end, _) = self.map.get_mut(&start).expect("no entry starts there");
            *end = to.end();
        } else {
            let old = self.remove(start);
            self.map.insert(to.start(), (to.end(), old.id));
        }
    }

    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        linear::lowest(self.iter_from(within.start()), within, len)
    }

    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let descending = self.map.range(..within.end()).rev().map(entry);
        linear::highest(descending, within, len)
    }

    fn check_invariants(&self) {
        let mut free_from = VirtAddr::ZERO;
        for (&start, &(end, _)) in &self.map {
            assert!(start.is_page_aligned() && end.is_page_aligned(), "aligned");
            assert!(start < end, "no entry is empty");
            assert!(free_from <= start, "entries are disjoint");
            free_from = end;
        }
    }

    fn dump(&self) -> String {
        let mut text = format!("{}: {} entries\n", Self::NAME, self.len());
        for e in self.map.iter().map(entry) {
            let _ = writeln!(text, "  {} vma {}", e.range, e.id.0);
        }
        text
    }
}
