//! Merging and filling up nodes that have become small.

use super::MapleStore;
use super::Step;
use super::arena::NodeId;
use super::inner::{INNER_MERGED, INNER_MIN};
use super::leaf::LEAF_MERGED;

/// Two neighbouring children of one node.
#[derive(Clone, Copy)]
struct Siblings {
    parent: NodeId,
    /// The left one's slot.
    slot: usize,
    left: NodeId,
    right: NodeId,
}

impl MapleStore {
    /// The child that the step goes to, with a neighbour.
    fn siblings(&self, step: Step) -> Siblings {
        let inner = &self.inners[step.node];
        let slot = step.slot.min(inner.len() - 2);
        Siblings {
            parent: step.node,
            slot,
            left: inner.child(slot),
            right: inner.child(slot + 1),
        }
    }

    /// Merges the finger's leaf with a neighbour, or fills it up from there. Its gaps are forgotten
    /// already.
    pub(super) fn refill_leaf(&mut self) {
        let Some(depth) = self.height.checked_sub(1) else {
            return;
        };
        self.reshape();
        let pair = self.siblings(self.finger.path[depth]);
        let (mut left, mut right) = self.leaves.pair(pair.left, pair.right);
        if !left.join_bases(&mut right) {
            return;
        }
        self.finger.leaf = NodeId::NONE;
        left.set_gap_known(false);
        right.set_gap_known(false);
        let (left_len, right_len) = (left.len(), right.len());
        if left_len + right_len <= LEAF_MERGED {
            left.take_from_next(&mut right, right_len);
            let next = right.next();
            left.set_next(next);
            if !next.is_none() {
                self.leaves.edit(next).set_prev(pair.left);
            }
            self.leaves.free(pair.right);
            self.drop_right(depth, pair);
            return;
        }
        let half = left_len.midpoint(right_len);
        if left_len < half {
            left.take_from_next(&mut right, half - left_len);
        } else {
            left.give_to_next(&mut right, left_len - half);
        }
        let key = right.start(0);
        self.renew(pair, key);
    }

    /// The same for the inner node at `depth` of the finger's path.
    fn refill_inner(&mut self, depth: usize) {
        let Some(above) = depth.checked_sub(1) else {
            return self.lower_root();
        };
        if self.inners[self.finger.path[depth].node].len() >= INNER_MIN {
            return;
        }
        let pair = self.siblings(self.finger.path[above]);
        let (mut left, mut right) = self.inners.pair(pair.left, pair.right);
        left.set_gap_known(false);
        right.set_gap_known(false);
        let (left_len, right_len) = (left.len(), right.len());
        if left_len + right_len <= INNER_MERGED {
            left.take_from_next(&mut right, right_len);
            self.inners.free(pair.right);
            self.drop_right(above, pair);
            return;
        }
        let half = left_len.midpoint(right_len);
        if left_len < half {
            left.take_from_next(&mut right, half - left_len);
        } else {
            left.give_to_next(&mut right, left_len - half);
        }
        let key = right.keys()[0];
        self.renew(pair, key);
    }

    /// Notes that two siblings have exchanged children: the right one begins at `key` now.
    fn renew(&mut self, pair: Siblings, key: u64) {
        let mut parent = self.inners.edit(pair.parent);
        parent.set_key(pair.slot + 1, key);
        parent.forget_gap(pair.slot);
        parent.forget_gap(pair.slot + 1);
    }

    /// Notes that the left sibling has taken over all of the right one's children.
    fn drop_right(&mut self, depth: usize, pair: Siblings) {
        let mut parent = self.inners.edit(pair.parent);
        parent.forget_gap(pair.slot);
        parent.remove(pair.slot + 1);
        self.refill_inner(depth);
    }

    /// Removes a root that has only one child.
    fn lower_root(&mut self) {
        if self.inners[self.root].len() == 1 {
            let old = self.root;
            let child = self.inners[old].child(0);
            self.set_root(child, self.height - 1);
            self.inners.free(old);
        }
    }
}
