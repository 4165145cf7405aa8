//! The `rangemap` crate as a store: a second reference, and what many a simulator would use.

use std::fmt::Write as _;
use std::ops::Range;

use rangemap::RangeMap;

use crate::{Bytes, PageRange, VirtAddr};

use super::{Entry, LockedReader, Neighbours, NoMemory, VmaId, VmaStore, linear};

/// A store in a [`RangeMap`]. Gap search is linear.
///
/// `RangeMap` would make one range of adjacent ones with the same value; the ids of an mm's VMAs
/// are distinct, so that it never does.
#[derive(Default, Debug)]
pub struct RangeMapStore {
    map: RangeMap<VirtAddr, VmaId>,
    len: usize,
}

const TOP: VirtAddr = VirtAddr::new(u64::MAX);

fn entry((range, &id): (&Range<VirtAddr>, &VmaId)) -> Entry {
    Entry {
        range: PageRange::new(range.start, range.end),
        id,
    }
}

impl RangeMapStore {
    fn starting_at(&self, start: VirtAddr) -> Entry {
        self.get(start)
            .filter(|e| e.range.start() == start)
            .expect("no entry starts there")
    }

    fn is_free(&self, range: PageRange) -> bool {
        !self.map.overlaps(&(range.start()..range.end()))
    }

    /// The first entry with an address in the `back` bytes below `addr`.
    fn within_below(&self, addr: u64, back: u64) -> Option<Entry> {
        let from = VirtAddr::new(addr.saturating_sub(back));
        let mut found = self.map.overlapping(from..VirtAddr::new(addr));
        found.next().map(entry)
    }

    /// The last entry that starts below `addr`.
    ///
    /// `RangeMap` can only look upwards, hence a bisection over the distance to look from.
    fn last_below(&self, addr: VirtAddr) -> Option<Entry> {
        let addr = addr.get();
        let (mut none, mut back) = (0, 1_u64);
        let mut last = loop {
            if none >= addr {
                return None;
            }
            if let Some(found) = self.within_below(addr, back) {
                break found;
            }
            none = back;
            back = back.saturating_mul(2);
        };
        while back - none > 1 {
            let middle = none.midpoint(back);
            match self.within_below(addr, middle) {
                Some(found) => (back, last) = (middle, found),
                None => none = middle,
            }
        }
        Some(last)
    }

    /// Does `to` lie between the neighbours of the entry that starts at `start`?
    fn keeps_order(&self, start: VirtAddr, to: PageRange) -> bool {
        let above = self.find(self.starting_at(start).range.end());
        let below = self.last_below(start);
        below.is_none_or(|e| e.range.end() <= to.start())
            && above.is_none_or(|e| to.end() <= e.range.start())
    }
}

impl VmaStore for RangeMapStore {
    const NAME: &'static str = "rangemap";

    /// It has no readers without a lock.
    type Reader = LockedReader;

    fn reader(&self) -> LockedReader {
        LockedReader
    }

    fn begin_change(&mut self) {}

    fn end_change(&mut self) {}

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, addr: VirtAddr) -> Option<Entry> {
        self.map.get_key_value(&addr).map(entry)
    }

    fn find(&self, addr: VirtAddr) -> Option<Entry> {
        self.iter_from(addr).next()
    }

    fn neighbours(&self, addr: VirtAddr) -> Neighbours {
        Neighbours {
            prev: self.last_below(addr),
            next: self.iter_from(addr).find(|e| e.range.start() >= addr),
        }
    }

    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_ {
        let above = (addr < TOP).then(|| self.map.overlapping(addr..TOP));
        above.into_iter().flatten().map(entry)
    }

    fn reserve(&mut self, _inserts: usize) -> Result<(), NoMemory> {
        Ok(())
    }

    fn insert(&mut self, range: PageRange, id: VmaId) {
        assert!(!range.is_empty(), "an entry must not be empty");
        assert!(self.is_free(range), "{range} overlaps an entry");
        self.map.insert(range.start()..range.end(), id);
        self.len += 1;
    }

    fn remove(&mut self, start: VirtAddr) -> Entry {
        let old = self.starting_at(start);
        self.map.remove(start..old.range.end());
        self.len -= 1;
        old
    }

    fn resize(&mut self, start: VirtAddr, to: PageRange) {
        debug_assert!(self.keeps_order(start, to), "{to} overlaps an entry");
        let old = self.remove(start);
        self.insert(to, old.id);
    }

    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        linear::lowest(self.iter_from(within.start()), within, len)
    }

    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let inside =
            (!within.is_empty()).then(|| self.map.overlapping(within.start()..within.end()));
        let descending = inside.into_iter().flat_map(Iterator::rev);
        linear::highest(descending.map(entry), within, len)
    }

    fn check_invariants(&self) {
        assert_eq!(self.map.len(), self.len, "every entry is counted");
        let mut free_from = VirtAddr::ZERO;
        for e in self.map.iter().map(entry) {
            assert!(!e.range.is_empty(), "no entry is empty");
            assert!(free_from <= e.range.start(), "entries are disjoint");
            free_from = e.range.end();
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
