//! Inner nodes: children, where they begin, and the widest gap below each.

use sim_sync::prim::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use super::arena::{Link, Links, Node, NodeId, NodeMut, Racy};
use super::search::{count_le, count_le_by};
use super::slots::{Slots as _, Wholes};

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
    keys: Wholes<INNER_SLOTS>,
    /// The children.
    children: Links<INNER_SLOTS>,
    /// The widest gap before an entry of each child, or [`UNKNOWN`].
    gaps: Wholes<INNER_SLOTS>,
    len: AtomicU8,
    /// Are all of `gaps` known, and the node's own one in its parent?
    gap_known: AtomicBool,
}

impl Node for Inner {
    const TAG: usize = 0;

    fn new_free() -> Self {
        Self {
            keys: Wholes::filled(u64::MAX),
            children: Links::new(),
            gaps: Wholes::filled(UNKNOWN),
            len: AtomicU8::new(0),
            gap_known: AtomicBool::new(false),
        }
    }

    fn clear(&self) {
        for slot in 0..INNER_SLOTS {
            self.keys.set(slot, u64::MAX);
        }
        self.len.store(0, Relaxed);
        self.set_gap_known(false);
    }

    fn free_link(&self) -> &Link {
        self.children.at(0)
    }
}

impl Inner {
    /// How many children it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len.load(Relaxed))
    }

    /// Has it no room?
    pub(super) fn is_full(&self) -> bool {
        self.len() == INNER_SLOTS
    }

    /// Where its children begin, with the marks of unused slots.
    #[expect(unsafe_code, reason = "comparing many keys at once needs plain loads")]
    #[inline]
    pub(super) fn keys(&self) -> &[u64; INNER_SLOTS] {
        // SAFETY: as long as there is a `&Inner`, nobody changes the node (see `arena`).
        unsafe { self.keys.plain() }
    }

    /// A child.
    #[inline]
    pub(super) fn child(&self, slot: usize) -> NodeId {
        self.children.get(slot)
    }

    /// The slot of the child that `addr` belongs to.
    #[inline]
    pub(super) fn slot_for(&self, addr: u64) -> usize {
        count_le(self.keys(), addr).saturating_sub(1)
    }

    /// The cached widest gap of a child.
    #[inline]
    pub(super) fn cached_gap(&self, slot: usize) -> u64 {
        self.gaps.get(slot)
    }

    /// Caches the widest gap of a child. Readers race to write the same value.
    pub(super) fn cache_gap(&self, slot: usize, gap: u64) {
        self.gaps.set(slot, gap);
    }

    /// Are the gaps of all of its children known, and its own one in its parent?
    pub(super) fn gap_known(&self) -> bool {
        self.gap_known.load(Relaxed)
    }

    /// Notes whether they are.
    #[inline]
    pub(super) fn set_gap_known(&self, known: bool) {
        self.gap_known.store(known, Relaxed);
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
}

impl NodeMut<'_, Inner> {
    /// Forgets the widest gap of a child; was everything known before?
    #[inline]
    pub(super) fn forget_gap(&mut self, slot: usize) -> bool {
        self.gaps.set(slot, UNKNOWN);
        let known = self.gap_known();
        self.set_gap_known(false);
        known
    }

    /// Lets a child begin elsewhere.
    pub(super) fn set_key(&mut self, slot: usize, key: u64) {
        self.keys.set(slot, key);
    }

    /// Adds a child at `slot`, its gap unknown; the node is not full.
    pub(super) fn insert(&mut self, slot: usize, key: u64, child: NodeId) {
        let len = self.len();
        self.keys.open(len, slot, key);
        self.children.open(len, slot, child);
        self.gaps.open(len, slot, UNKNOWN);
        self.set_len(len + 1);
        self.set_gap_known(false);
    }

    /// Takes out the child at `slot`.
    pub(super) fn remove(&mut self, slot: usize) {
        let len = self.len();
        self.keys.close(len, slot, u64::MAX);
        self.children.close(len, slot, NodeId::NONE);
        self.gaps.close(len, slot, UNKNOWN);
        self.set_len(len - 1);
    }

    /// Moves the last `count` children before those of the following node.
    pub(super) fn give_to_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        let none = NodeId::NONE;
        self.keys
            .give_to(left, (&next.keys, right), count, u64::MAX);
        self.children
            .give_to(left, (&next.children, right), count, none);
        self.gaps.give_to(left, (&next.gaps, right), count, UNKNOWN);
        self.set_len(left - count);
        next.set_len(right + count);
    }

    /// Moves the first `count` children of the following node behind its own.
    pub(super) fn take_from_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        let none = NodeId::NONE;
        self.keys
            .take_from(left, (&next.keys, right), count, u64::MAX);
        self.children
            .take_from(left, (&next.children, right), count, none);
        self.gaps
            .take_from(left, (&next.gaps, right), count, UNKNOWN);
        self.set_len(left + count);
        next.set_len(right - count);
    }

    fn set_len(&mut self, len: usize) {
        self.len.store(len as u8, Relaxed);
    }
}

impl Racy<'_, Inner> {
    /// The child that `addr` belongs to, if nothing changes meanwhile.
    #[inline]
    pub(super) fn child_for(&self, addr: u64) -> NodeId {
        let count = count_le_by::<INNER_SLOTS>(|slot| self.0.keys.get(slot), addr);
        self.0.children.at(count.saturating_sub(1)).get_racy()
    }
}
