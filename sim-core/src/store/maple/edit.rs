//! Adding, taking out and resizing entries.

use sim_sync::tally::{self, Counted};

use crate::PageRange;
use crate::store::Entry;

use super::MapleStore;
use super::Step;
use super::arena::NodeId;
use super::inner::{INNER_SLOTS, Inner};
use super::leaf::{LEAF_MIN, Leaf};
use super::search::search_key;

impl MapleStore {
    /// Moves the finger to the leaf that `addr` belongs to; returns the leaf and the number of its
    /// entries that start at or below `addr`.
    #[inline]
    fn seek(&mut self, addr: u64) -> (NodeId, usize) {
        let key = search_key(addr);
        if let Some(leaf) = self.leaf(self.finger.leaf) {
            let slot = self.finger.slot;
            tally::count(Counted::Nodes);
            if leaf.is_next_above(slot, key) {
                return (self.finger.leaf, slot + 1);
            }
            if leaf.covers(key) {
                return (self.finger.leaf, leaf.count_le(key));
            }
        }
        let id = self.descend(key);
        (id, self.leaves[id].count_le(key))
    }

    /// Moves the finger to the leaf that `key` belongs to, from the root.
    fn descend(&mut self, key: u64) -> NodeId {
        tally::add(Counted::Nodes, self.height + 1);
        let mut node = self.root;
        for depth in 0..self.height {
            let inner = &self.inners[node];
            let slot = inner.slot_for(key);
            self.finger.path[depth] = Step { node, slot };
            node = inner.child(slot);
        }
        self.finger.leaf = node;
        node
    }

    /// Moves the finger to the entry that starts at `start`, and returns its leaf and slot.
    #[inline]
    fn seek_entry(&mut self, start: u64) -> (NodeId, usize) {
        let (id, above) = self.seek(start);
        let slot = above.checked_sub(1);
        let slot = slot.filter(|slot| self.leaves[id].start(*slot) == start);
        (id, slot.expect("no entry starts there"))
    }

    /// Where the space before `slot` begins.
    fn free_from(&self, leaf: &Leaf, slot: usize) -> u64 {
        match slot.checked_sub(1) {
            Some(below) => leaf.end(below),
            None => self.leaf(leaf.prev()).map_or(0, Leaf::last_end),
        }
    }

    /// Where the next entry starts, if that at `slot` is or were one.
    fn free_to(&self, leaf: &Leaf, slot: usize) -> u64 {
        if slot < leaf.len() {
            leaf.start(slot)
        } else {
            self.leaf(leaf.next())
                .map_or(u64::MAX, |next| next.start(0))
        }
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, entry: Entry) {
        let (start, end) = (entry.range.start().get(), entry.range.end().get());
        assert!(start < end, "an entry must not be empty");
        let (mut id, mut slot) = self.seek(start);
        let leaf = &self.leaves[id];
        let fits = self.free_from(leaf, slot) <= start && end <= self.free_to(leaf, slot);
        assert!(fits, "{} overlaps an entry", entry.range);
        self.touch(id);
        while self.leaves[id].is_full() || !self.leaves.edit(id).admit(start) {
            self.split_leaf(slot, start);
            (id, slot) = self.seek(start);
            self.touch(id);
        }
        let mut leaf = self.leaves.edit(id);
        leaf.insert(slot, entry);
        let is_last = slot + 1 == leaf.len();
        self.finger.slot = slot;
        self.len += 1;
        self.forget_gaps(is_last);
    }

    /// Takes out the entry that starts at `start`.
    pub(super) fn take(&mut self, start: u64) -> Entry {
        let (id, slot) = self.seek_entry(start);
        self.touch(id);
        let mut leaf = self.leaves.edit(id);
        let entry = leaf.remove(slot);
        let (len, was_last) = (leaf.len(), slot == leaf.len());
        self.finger.slot = slot.saturating_sub(1);
        self.len -= 1;
        self.forget_gaps(was_last);
        if len < LEAF_MIN {
            self.refill_leaf();
        }
        entry
    }

    /// Changes the range of the entry that starts at `start`.
    pub(super) fn change(&mut self, start: u64, to: PageRange) {
        let (new_start, new_end) = (to.start().get(), to.end().get());
        assert!(new_start < new_end, "an entry must not be empty");
        let (id, slot) = self.seek_entry(start);
        let leaf = &self.leaves[id];
        let fits =
            self.free_from(leaf, slot) <= new_start && new_end <= self.free_to(leaf, slot + 1);
        assert!(fits, "{to} overlaps an entry");
        self.touch(id);
        let stays = new_start == start
            || self.finger_owns(new_start) && self.leaves.edit(id).admit(new_start);
        if !stays {
            let id = self.take(start).id;
            return self.add(Entry { range: to, id });
        }
        let mut leaf = self.leaves.edit(id);
        leaf.set_range(slot, to);
        let is_last = slot + 1 == leaf.len();
        self.finger.slot = slot;
        self.forget_gaps(is_last);
    }

    /// Does `addr` belong to the finger's leaf, by the keys above it?
    fn finger_owns(&self, addr: u64) -> bool {
        let path = &self.finger.path[..self.height];
        let Some(parent) = path.last() else {
            return true;
        };
        let next_key = path.iter().rev().find_map(|step| {
            let inner = &self.inners[step.node];
            (step.slot + 1 < inner.len()).then(|| inner.keys()[step.slot + 1])
        });
        self.inners[parent.node].keys()[parent.slot] <= addr
            && next_key.is_none_or(|key| addr < key)
    }

    /// Splits the finger's leaf for an entry that comes to `slot` and starts at `start`: the leaf is
    /// full, or too far away (then a second split may be needed).
    fn split_leaf(&mut self, slot: usize, start: u64) {
        self.reshape();
        let left_id = self.finger.leaf;
        let right_id = self.leaves.alloc();
        let (mut left, mut right) = self.leaves.pair(left_id, right_id);
        let at = left.split_point(slot);
        let count = left.len() - at;
        left.give_to_next(&mut right, count);
        let key = right
            .first()
            .map_or(start, |first| first.range.start().get());
        let next = left.next();
        right.set_prev(left_id);
        right.set_next(next);
        left.set_next(right_id);
        if !next.is_none() {
            self.leaves.edit(next).set_prev(right_id);
        }
        self.forget_gaps(false);
        self.add_child(self.height, key, right_id);
        self.finger.leaf = NodeId::NONE;
    }

    /// Adds `child` after the child that the finger's path goes through at `depth - 1`.
    fn add_child(&mut self, depth: usize, key: u64, child: NodeId) {
        let Some(above) = depth.checked_sub(1) else {
            return self.add_root(key, child);
        };
        let Step { node, slot } = self.finger.path[above];
        let slot = slot + 1;
        if !self.inners[node].is_full() {
            self.inners.edit(node).insert(slot, key, child);
            return;
        }
        let right_id = self.inners.alloc();
        let (mut left, mut right) = self.inners.pair(node, right_id);
        let at = Inner::split_point(slot);
        left.give_to_next(&mut right, INNER_SLOTS - at);
        let right_key = right.keys()[0];
        if slot <= at {
            left.insert(slot, key, child);
        } else {
            right.insert(slot - at, key, child);
        }
        self.add_child(above, right_key, right_id);
    }

    /// Puts a root above the old one and its new neighbour.
    fn add_root(&mut self, key: u64, child: NodeId) {
        let root = self.inners.alloc();
        let mut inner = self.inners.edit(root);
        inner.insert(0, 0, self.root);
        inner.insert(1, key, child);
        self.set_root(root, self.height + 1);
    }

    /// At most how many inner nodes `inserts` insertions can need.
    pub(super) fn inner_splits(&self, inserts: usize) -> usize {
        let each = inserts.saturating_mul(self.height + 1);
        each.min(self.inners.used() + inserts / 8 + self.height + 1)
    }
}
