//! Leaves: entries in order, as arrays of starts, ends and ids.

use std::sync::atomic::AtomicBool;

use crate::store::{Entry, VmaId};
use crate::{PageRange, VirtAddr};

use super::arena::{Node, NodeId};
use super::search::count_le;
use super::slots::{Pair, close, open};

/// Entries in a full leaf.
pub(super) const LEAF_SLOTS: usize = 32;
/// A leaf with fewer entries is merged with a neighbour, or filled up from it.
pub(super) const LEAF_MIN: usize = LEAF_SLOTS / 4;
/// Two leaves are merged if they have at most so many entries; the rest is room for insertions
/// before the next split.
pub(super) const LEAF_MERGED: usize = LEAF_SLOTS * 3 / 4;

/// A leaf.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Leaf {
    /// Where entries start; `u64::MAX` in unused slots.
    pub(super) starts: [u64; LEAF_SLOTS],
    /// Where they end.
    pub(super) ends: [u64; LEAF_SLOTS],
    /// Whose they are.
    pub(super) ids: [VmaId; LEAF_SLOTS],
    /// The leaf before it.
    pub(super) prev: NodeId,
    /// The leaf after it.
    pub(super) next: NodeId,
    len: u8,
    last_insert: u8,
    /// Does its parent know its widest gap? (For the root: meaningless.)
    pub(super) gap_known: AtomicBool,
}

impl Node for Leaf {
    const EMPTY: Self = Self {
        starts: [u64::MAX; LEAF_SLOTS],
        ends: [0; LEAF_SLOTS],
        ids: [VmaId(0); LEAF_SLOTS],
        prev: NodeId::NONE,
        next: NodeId::NONE,
        len: 0,
        last_insert: u8::MAX,
        gap_known: AtomicBool::new(false),
    };

    fn free_link(&mut self) -> &mut NodeId {
        &mut self.next
    }
}

impl Leaf {
    /// How many entries it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Has it no room?
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() == LEAF_SLOTS
    }

    /// The number of its entries that start at or below `addr`.
    #[inline]
    pub(super) fn count_le(&self, addr: u64) -> usize {
        count_le(&self.starts, addr)
    }

    /// Do keys from here on up to `key` certainly belong to this leaf?
    #[inline]
    pub(super) fn covers(&self, key: u64) -> bool {
        let last = self.len().wrapping_sub(1);
        self.starts[0] <= key && (self.next.is_none() || key <= self.starts[last])
    }

    /// Is `slot` certainly that of the last entry that starts at or below `key`?
    #[inline]
    pub(super) fn is_next_above(&self, slot: usize, key: u64) -> bool {
        slot + 1 < self.len() && self.starts[slot] <= key && key < self.starts[slot + 1]
    }

    /// The entry in a slot.
    #[inline]
    pub(super) fn entry(&self, slot: usize) -> Entry {
        let (start, end) = (self.starts[slot], self.ends[slot]);
        Entry {
            range: PageRange::new(VirtAddr::new(start), VirtAddr::new(end)),
            id: self.ids[slot],
        }
    }

    /// Its last entry.
    pub(super) fn last(&self) -> Option<Entry> {
        self.len().checked_sub(1).map(|slot| self.entry(slot))
    }

    /// Its first entry.
    pub(super) fn first(&self) -> Option<Entry> {
        (self.len > 0).then(|| self.entry(0))
    }

    /// Where its last entry ends (0 if it has none).
    #[inline]
    pub(super) fn last_end(&self) -> u64 {
        self.len().checked_sub(1).map_or(0, |slot| self.ends[slot])
    }

    /// Adds an entry at `slot`; the leaf is not full.
    #[inline]
    pub(super) fn insert(&mut self, slot: usize, entry: Entry) {
        let len = self.len();
        open(&mut self.starts, len, slot, entry.range.start().get());
        open(&mut self.ends, len, slot, entry.range.end().get());
        open(&mut self.ids, len, slot, entry.id);
        self.len += 1;
        self.last_insert = slot as u8;
    }

    /// Takes out the entry at `slot`.
    #[inline]
    pub(super) fn remove(&mut self, slot: usize) -> Entry {
        let entry = self.entry(slot);
        let len = self.len();
        close(&mut self.starts, len, slot);
        close(&mut self.ends, len, slot);
        close(&mut self.ids, len, slot);
        self.starts[len - 1] = u64::MAX;
        self.len -= 1;
        entry
    }

    /// Changes the ends of the entry at `slot`.
    #[inline]
    pub(super) fn set_range(&mut self, slot: usize, range: PageRange) {
        self.starts[slot] = range.start().get();
        self.ends[slot] = range.end().get();
    }

    /// Where to split when full and an entry is to come to `slot`: in the middle, but at `slot`
    /// if insertions come in ascending or descending order, so that what they leave behind is full.
    pub(super) fn split_point(&self, slot: usize) -> usize {
        let last = usize::from(self.last_insert);
        if slot == last || slot == last + 1 {
            slot
        } else {
            LEAF_SLOTS / 2
        }
    }

    /// Moves the last `count` entries before those of the following leaf. Moves swap slots, so
    /// that the marks of unused starts come back.
    pub(super) fn give_to_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        Pair::new(&mut self.starts, left, &mut next.starts, right).move_right(count);
        Pair::new(&mut self.ends, left, &mut next.ends, right).move_right(count);
        Pair::new(&mut self.ids, left, &mut next.ids, right).move_right(count);
        self.resized(left - count);
        next.resized(right + count);
    }

    /// Moves the first `count` entries of the following leaf behind its own.
    pub(super) fn take_from_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        Pair::new(&mut self.starts, left, &mut next.starts, right).move_left(count);
        Pair::new(&mut self.ends, left, &mut next.ends, right).move_left(count);
        Pair::new(&mut self.ids, left, &mut next.ids, right).move_left(count);
        self.resized(left + count);
        next.resized(right - count);
    }

    fn resized(&mut self, len: usize) {
        self.len = len as u8;
        self.last_insert = u8::MAX;
    }
}
