//! Gap search, and the caches of widest gaps that make it fast.
//!
//! The gap of an entry is the free space before it, so that entries and gaps correspond, but for
//! the space after the last entry. Caches are filled by searches, under a shared borrow: all that
//! race write the same values.

use crate::store::linear::fitting;
use crate::{Bytes, PageRange, VirtAddr};

use super::MapleStore;
use super::arena::NodeId;
use super::inner::UNKNOWN;
use super::leaf::Leaf;

/// What a search looks for: a gap of `len` bytes within `[from, to)`.
#[derive(Clone, Copy)]
struct Wanted {
    from: u64,
    to: u64,
    len: u64,
}

impl Wanted {
    fn new(within: PageRange, len: Bytes) -> Self {
        Self {
            from: within.start().get(),
            to: within.end().get(),
            len: len.get().max(1),
        }
    }

    /// The free space `[start, end)`, cut to the window, if it is wide enough.
    fn accept(self, start: u64, end: u64) -> Option<PageRange> {
        let (start, end) = (start.max(self.from), end.min(self.to));
        fitting(VirtAddr::new(start), VirtAddr::new(end), Bytes(self.len))
    }
}

impl MapleStore {
    /// Marks the gaps of the finger's leaf as unknown, and with `and_next` that of the entry after
    /// the leaf as well.
    #[inline]
    pub(super) fn forget_gaps(&mut self, and_next: bool) {
        let leaf = &self.leaves[self.finger.leaf];
        let next = leaf.next();
        if leaf.gap_known() {
            leaf.set_gap_known(false);
            self.forget_path(self.height);
        }
        if and_next && !next.is_none() {
            self.forget_next(next);
        }
    }

    /// Marks the children that the finger's path goes through above `depth` as unknown, upwards to
    /// the first node that is so already.
    fn forget_path(&mut self, depth: usize) {
        for step in self.finger.path[..depth].iter().rev() {
            if !self.inners.edit(step.node).forget_gap(step.slot) {
                return;
            }
        }
    }

    /// Marks the gaps of `next`, the leaf after the finger's, as unknown.
    fn forget_next(&mut self, next: NodeId) {
        if !self.leaves[next].gap_known() {
            return;
        }
        self.leaves[next].set_gap_known(false);
        let path = &self.finger.path[..self.height];
        let turn = path
            .iter()
            .rposition(|step| step.slot + 1 < self.inners[step.node].len())
            .expect("a leaf that is not the last one is left of another");
        let mut slot = path[turn].slot + 1;
        let mut node = path[turn].node;
        if self.inners.edit(node).forget_gap(slot) {
            self.forget_path(turn);
        }
        for _ in turn + 1..self.height {
            node = self.inners[node].child(slot);
            slot = 0;
            self.inners.edit(node).forget_gap(slot);
        }
    }

    /// Where the free space before the entry in `slot` begins.
    fn gap_start(&self, leaf: &Leaf, slot: usize) -> u64 {
        match slot.checked_sub(1) {
            Some(below) => leaf.end(below),
            None => self.leaf(leaf.prev()).map_or(0, Leaf::last_end),
        }
    }

    /// The widest gap of a leaf's entries.
    fn widest_in_leaf(&self, leaf: &Leaf) -> u64 {
        let before = leaf.start(0) - self.gap_start(leaf, 0);
        before.max(leaf.widest_inside())
    }

    /// The widest gap below the child in `slot` of an inner node at `depth`.
    fn widest(&self, node: NodeId, slot: usize, depth: usize) -> u64 {
        let cached = self.inners[node].cached_gap(slot);
        if cached == UNKNOWN {
            self.compute_widest(node, slot, depth)
        } else {
            cached
        }
    }

    fn compute_widest(&self, node: NodeId, slot: usize, depth: usize) -> u64 {
        let inner = &self.inners[node];
        let child = inner.child(slot);
        let gap = if depth + 1 == self.height {
            let leaf = &self.leaves[child];
            leaf.set_gap_known(true);
            self.widest_in_leaf(leaf)
        } else {
            let below = &self.inners[child];
            below.set_gap_known(true);
            let all = (0..below.len()).map(|slot| self.widest(child, slot, depth + 1));
            all.max().unwrap_or(0)
        };
        inner.cache_gap(slot, gap);
        gap
    }

    /// The lowest gap of at least `len` bytes within `within`.
    pub(super) fn first_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let wanted = Wanted::new(within, len);
        self.first_below(self.root, 0, wanted)
            .or_else(|| wanted.accept(self.last_end(), wanted.to))
    }

    /// The lowest one before an entry below `node`.
    fn first_below(&self, node: NodeId, depth: usize, wanted: Wanted) -> Option<PageRange> {
        if depth == self.height {
            return self.first_in_leaf(&self.leaves[node], wanted);
        }
        let inner = &self.inners[node];
        let first = inner.slot_for(wanted.from);
        for slot in first..inner.len() {
            if slot >= first + 2 && inner.keys()[slot - 1] >= wanted.to {
                break;
            }
            if self.widest(node, slot, depth) >= wanted.len
                && let Some(gap) = self.first_below(inner.child(slot), depth + 1, wanted)
            {
                return Some(gap);
            }
        }
        None
    }

    fn first_in_leaf(&self, leaf: &Leaf, wanted: Wanted) -> Option<PageRange> {
        (leaf.count_le(wanted.from)..leaf.len())
            .find_map(|slot| wanted.accept(self.gap_start(leaf, slot), leaf.start(slot)))
    }

    /// Where the last entry of all ends.
    fn last_end(&self) -> u64 {
        let last = self.leaf_for(u64::MAX - 1);
        self.leaves[last].last_end()
    }

    /// The highest gap of at least `len` bytes within `within`.
    pub(super) fn last_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let wanted = Wanted::new(within, len);
        let below = self.around(wanted.to).prev;
        let from = below.map_or(0, |entry| entry.range.end().get());
        wanted
            .accept(from, wanted.to)
            .or_else(|| self.last_below(self.root, 0, wanted))
    }

    /// The highest one before an entry below `node` that starts within the window.
    fn last_below(&self, node: NodeId, depth: usize, wanted: Wanted) -> Option<PageRange> {
        if depth == self.height {
            return self.last_in_leaf(&self.leaves[node], wanted);
        }
        let inner = &self.inners[node];
        let last = inner.slot_for(wanted.to.saturating_sub(1));
        for slot in (0..=last).rev() {
            if slot < last && inner.keys()[slot + 1] <= wanted.from {
                break;
            }
            if self.widest(node, slot, depth) >= wanted.len
                && let Some(gap) = self.last_below(inner.child(slot), depth + 1, wanted)
            {
                return Some(gap);
            }
        }
        None
    }

    fn last_in_leaf(&self, leaf: &Leaf, wanted: Wanted) -> Option<PageRange> {
        let below = wanted.to.checked_sub(1).map_or(0, |to| leaf.count_le(to));
        (0..below)
            .rev()
            .take_while(|slot| leaf.start(*slot) > wanted.from)
            .find_map(|slot| wanted.accept(self.gap_start(leaf, slot), leaf.start(slot)))
    }
}
