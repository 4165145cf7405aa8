//! Inner nodes: children, where they begin, and the widest gap below each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::arena::{Node, NodeId};
use super::search::count_le;
use super::slots::{Pair, close, open};

/// Children of a full inner node.
pub(super) const INNER_SLOTS: usize = 64;
/// An inner node with fewer children is merged with a neighbour, or filled up from it.
pub(super) const INNER_MIN: usize = INNER_SLOTS / 4;
/// Two inner nodes are merged if they have at most so many children.
pub(super) const INNER_MERGED: usize = INNER_SLOTS * 3 / 4;

/// A gap that has to be computed again.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// An inner node.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Inner {
    /// Where children begin: all entries of a child start at or above its key and below the next
    /// one's. The first key is that of the node itself in its parent. `u64::MAX` in unused slots.
    pub(super) keys: [u64; INNER_SLOTS],
    /// The children.
    pub(super) children: [NodeId; INNER_SLOTS],
    /// The widest gap before an entry of each child, or [`UNKNOWN`].
    gaps: [AtomicU64; INNER_SLOTS],
    len: u8,
    /// Are all of `gaps` known, and the node's own one in its parent?
    pub(super) gap_known: AtomicBool,
}

impl Node for Inner {
    const EMPTY: Self = Self {
        keys: [u64::MAX; INNER_SLOTS],
        children: [NodeId::NONE; INNER_SLOTS],
        gaps: [const { AtomicU64::new(UNKNOWN) }; INNER_SLOTS],
        len: 0,
        gap_known: AtomicBool::new(false),
    };

    fn free_link(&mut self) -> &mut NodeId {
        &mut self.children[0]
    }
}

impl Inner {
    /// How many children it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Has it no room?
    pub(super) fn is_full(&self) -> bool {
        self.len() == INNER_SLOTS
    }

    /// The slot of the child that `addr` belongs to.
    #[inline]
    pub(super) fn slot_for(&self, addr: u64) -> usize {
        count_le(&self.keys, addr).saturating_sub(1)
    }

    /// The cached widest gap of a child.
    #[inline]
    pub(super) fn cached_gap(&self, slot: usize) -> u64 {
        self.gaps[slot].load(Relaxed)
    }

    /// Caches the widest gap of a child. Readers race to write the same value.
    pub(super) fn cache_gap(&self, slot: usize, gap: u64) {
        self.gaps[slot].store(gap, Relaxed);
    }

    /// Forgets the widest gap of a child; was everything known before?
    #[inline]
    pub(super) fn forget_gap(&mut self, slot: usize) -> bool {
        *self.gaps[slot].get_mut() = UNKNOWN;
        std::mem::replace(self.gap_known.get_mut(), false)
    }

    /// Adds a child at `slot`, its gap unknown; the node is not full.
    pub(super) fn insert(&mut self, slot: usize, key: u64, child: NodeId) {
        let len = self.len();
        open(&mut self.keys, len, slot, key);
        open(&mut self.children, len, slot, child);
        self.gaps[slot..=len].rotate_right(1);
        self.len += 1;
        self.forget_gap(slot);
    }

    /// Takes out the child at `slot`.
    pub(super) fn remove(&mut self, slot: usize) {
        let len = self.len();
        close(&mut self.keys, len, slot);
        close(&mut self.children, len, slot);
        self.gaps[slot..len].rotate_left(1);
        self.keys[len - 1] = u64::MAX;
        self.len -= 1;
    }

    /// Where to split when full and a child is to come to `slot`: towards the end at which
    /// children are added, so that nodes that are left behind are rather full.
    pub(super) fn split_point(slot: usize) -> usize {
        match slot {
            0..=2 => INNER_MIN,
            INNER_SLOTS => INNER_SLOTS - INNER_MIN,
            _ => INNER_SLOTS / 2,
        }
    }

    /// Moves the last `count` children before those of the following node.
    pub(super) fn give_to_next(&mut self, next: &mut Self, count: usize) {
        let (left_len, right_len) = (self.len(), next.len());
        Pair::new(&mut self.keys, left_len, &mut next.keys, right_len).move_right(count);
        Pair::new(&mut self.children, left_len, &mut next.children, right_len).move_right(count);
        Pair::new(&mut self.gaps, left_len, &mut next.gaps, right_len).move_right(count);
        self.len -= count as u8;
        next.len += count as u8;
    }

    /// Moves the first `count` children of the following node behind its own.
    pub(super) fn take_from_next(&mut self, next: &mut Self, count: usize) {
        let (left_len, right_len) = (self.len(), next.len());
        Pair::new(&mut self.keys, left_len, &mut next.keys, right_len).move_left(count);
        Pair::new(&mut self.children, left_len, &mut next.children, right_len).move_left(count);
        Pair::new(&mut self.gaps, left_len, &mut next.gaps, right_len).move_left(count);
        self.len += count as u8;
        next.len -= count as u8;
    }
}
