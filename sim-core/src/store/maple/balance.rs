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
            left: inner.children[slot],
            right: inner.children[slot + 1],
        }
    }

    /// Merges the finger's leaf with a neighbour, or fills it up from there. Its gaps are forgotten
    /// already.
    pub(super) fn refill_leaf(&mut self) {
        let Some(depth) = self.height.checked_sub(1) else {
            return;
        };
        let pair = self.siblings(self.finger.path[depth]);
        let (left, right) = self.leaves.pair(pair.left, pair.right);
        if !left.join_bases(right) {
            return;
        }
        self.finger.leaf = NodeId::NONE;
        *left.gap_known.get_mut() = false;
        *right.gap_known.get_mut() = false;
        let (left_len, right_len) = (left.len(), right.len());
        if left_len + right_len <= LEAF_MERGED {
            left.take_from_next(right, right_len);
            left.next = right.next;
            let next = left.next;
            if !next.is_none() {
                self.leaves[next].prev = pair.left;
            }
            self.leaves.free(pair.right);
            self.drop_right(depth, pair);
            return;
        }
        let half = left_len.midpoint(right_len);
        if left_len < half {
            left.take_from_next(right, half - left_len);
        } else {
            left.give_to_next(right, left_len - half);
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
        let (left, right) = self.inners.pair(pair.left, pair.right);
        *left.gap_known.get_mut() = false;
        *right.gap_known.get_mut() = false;
        let (left_len, right_len) = (left.len(), right.len());
        if left_len + right_len <= INNER_MERGED {
            left.take_from_next(right, right_len);
            self.inners.free(pair.right);
            self.drop_right(above, pair);
            return;
        }
        let half = left_len.midpoint(right_len);
        if left_len < half {
            left.take_from_next(right, half - left_len);
        } else {
            left.give_to_next(right, left_len - half);
        }
        let key = right.keys[0];
        self.renew(pair, key);
    }

    /// Notes that two siblings have exchanged children: the right one begins at `key` now.
    fn renew(&mut self, pair: Siblings, key: u64) {
        let parent = &mut self.inners[pair.parent];
        parent.keys[pair.slot + 1] = key;
        parent.forget_gap(pair.slot);
        parent.forget_gap(pair.slot + 1);
    }

    /// Notes that the left sibling has taken over all of the right one's children.
    fn drop_right(&mut self, depth: usize, pair: Siblings) {
        let parent = &mut self.inners[pair.parent];
        parent.forget_gap(pair.slot);
        parent.remove(pair.slot + 1);
        self.refill_inner(depth);
    }

    /// Removes a root that has only one child.
    fn lower_root(&mut self) {
        if self.inners[self.root].len() == 1 {
            let old = self.root;
            self.root = self.inners[old].children[0];
            self.inners.free(old);
            self.height -= 1;
        }
    }
}
