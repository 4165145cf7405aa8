//! The default store: a B+tree of ranges, counterpart of Linux's maple tree (`lib/maple_tree.c`).
//!
//! ```text
//!            ┌ keys      0   k1   k2  ..  ┐
//!   inner    │ children  ·    ·    ·      │   64 wide, depth 3 at 60,000 VMAs
//!            └ gaps      g0  g1   g2  ..  ┘
//!                        │    └─────────────┐
//!            ┌ starts  s0 s1 s2 .. ┐    ┌ starts ..
//!   leaf     │ ends    e0 e1 e2 .. │ ←→ │ ends ..      32 wide, 12 bytes an entry
//!            └ ids     i0 i1 i2 .. ┘    └ ids ..
//! ```
//!
//! - **Search** looks at keys only, which lie together, and counts instead of branching
//!   ([`search`]).
//! - **Leaves** keep page offsets of 32 bits instead of addresses ([`leaf`]).
//! - **Nodes** lie in chunks that never move ([`arena`]). Nodes that are given back are used again; a
//!   split followed by a merge allocates nothing.
//! - **The finger** is the leaf of the last change with the path to it. A change near the last one
//!   does not descend.
//! - **Splits** leave nearly full leaves behind where entries come in order; leaves merge only at a
//!   quarter full and then keep room, so that no sequence of calls splits and merges at each step.
//! - **Gaps**: each inner node caches the widest gap below each child. A change only marks the path
//!   to its leaf as unknown, and only up to the first node that is marked already; a search
//!   computes what it needs and caches it. Who never searches never pays ([`gaps`]).
//!
//! # Invariants
//! The gap of an entry is the one *before* it, be its predecessor in the same leaf or not. Entries
//! of a child start at or above its key and below the next key; keys need not be starts of entries.
//! If a node's `gap_known` is clear, so is its parent's. All leaves have the same depth.
//!
//! # Readers without a lock
//! Changes are made in place, under sequence counts ([`SeqCount`](sim_sync::SeqCount)): one of each
//! leaf for its entries, one of the store for its shape. A [`MapleReader`] descends with atomic
//! loads, and what it has found counts if the counts of the leaf (of two, where the entry may be the
//! last one of the leaf before) and of the shape are the same as before. Meanwhile it may see any
//! mixture of nodes: all that it follows is checked. A count that a bracket has made odd stays so
//! until the bracket closes; hence the answer is of one state that all brackets left behind.
//! Nodes stay nodes of their kind as long as anyone can look ([`arena`]). See docs/concurrency.md
//! for why not copies of nodes and epochs.

use std::sync::Arc;

use crate::{Bytes, PageRange, VirtAddr};

use super::{Entry, Neighbours, NoMemory, VmaId, VmaStore};

mod arena;
mod balance;
mod check;
mod edit;
mod gaps;
mod inner;
mod leaf;
mod read;
mod reader;
mod search;
mod slots;

use arena::{Arena, NodeId};
use inner::Inner;
use leaf::Leaf;
pub use reader::MapleReader;
use reader::Shared;

/// More inner nodes than any path has: 16^7 leaves are more than there are node numbers.
const MAX_DEPTH: usize = 9;

/// One inner node of a path, and the slot of the child that it goes to.
#[derive(Clone, Copy, Debug)]
struct Step {
    node: NodeId,
    slot: usize,
}

/// The way to a leaf: for changes, which have to come back up.
#[derive(Debug)]
struct Finger {
    /// The leaf, or none if the tree's shape has changed since.
    leaf: NodeId,
    /// The slot of the last change, as a guess where the next one is.
    slot: usize,
    /// The inner nodes above it, from the root; as many as the tree is high.
    path: [Step; MAX_DEPTH],
}

/// A B+tree of ranges with wide nodes, in an arena.
#[derive(Debug)]
pub struct MapleStore {
    leaves: Arena<Leaf>,
    inners: Arena<Inner>,
    root: NodeId,
    /// Levels of inner nodes.
    height: usize,
    len: usize,
    finger: Finger,
    /// Brackets of changes that are open.
    changes: u32,
    /// The first leaf that the outermost one has changed: its count is odd until it closes.
    touched: NodeId,
    /// The others.
    touched_more: Vec<NodeId>,
    /// Has it changed more than entries of leaves?
    reshaped: bool,
    shared: Arc<Shared>,
}

impl Default for MapleStore {
    fn default() -> Self {
        let mut leaves = Arena::new();
        let root = leaves.alloc();
        let nowhere = Step {
            node: NodeId::NONE,
            slot: 0,
        };
        let inners = Arena::new();
        let shared = Arc::new(Shared::new(&leaves, &inners, root));
        Self {
            leaves,
            inners,
            root,
            height: 0,
            len: 0,
            finger: Finger {
                leaf: NodeId::NONE,
                slot: 0,
                path: [nowhere; MAX_DEPTH],
            },
            changes: 0,
            touched: NodeId::NONE,
            touched_more: Vec::new(),
            reshaped: false,
            shared,
        }
    }
}

impl MapleStore {
    /// Bytes that the store takes from the allocator.
    pub fn bytes(&self) -> Bytes {
        Bytes((self.leaves.bytes() + self.inners.bytes()) as u64)
    }

    /// The entries of a leaf are about to change: whoever looks there without a lock has to look
    /// again until the bracket closes.
    #[inline]
    fn touch(&mut self, leaf: NodeId) {
        debug_assert!(self.changes > 0, "changes are bracketed");
        if !self.leaves[leaf].begin_change() {
            return;
        }
        if self.touched.is_none() {
            self.touched = leaf;
        } else {
            self.touched_more.push(leaf);
        }
    }

    /// Nodes are about to be linked differently, or entries to move between leaves: nobody finds
    /// anything without a lock until the bracket closes.
    fn reshape(&mut self) {
        debug_assert!(self.changes > 0, "changes are bracketed");
        if !self.reshaped {
            self.shared.shape.begin();
            self.reshaped = true;
        }
    }

    /// The outermost bracket closes.
    #[inline]
    fn publish(&mut self) {
        let first = std::mem::replace(&mut self.touched, NodeId::NONE);
        if !first.is_none() {
            self.leaves[first].end_change();
        }
        while let Some(leaf) = self.touched_more.pop() {
            self.leaves[leaf].end_change();
        }
        if std::mem::take(&mut self.reshaped) {
            self.shared.shape.end();
        }
    }

    /// Exchanges the root.
    fn set_root(&mut self, root: NodeId, height: usize) {
        (self.root, self.height) = (root, height);
        self.shared.set_root(root);
    }

    /// Leaves of the tree.
    #[cfg(test)]
    pub(super) fn leaves_in_use(&self) -> usize {
        self.leaves.used()
    }
}

impl VmaStore for MapleStore {
    const NAME: &'static str = "maple";

    type Reader = MapleReader;

    fn reader(&self) -> MapleReader {
        MapleReader::new(Arc::clone(&self.shared))
    }

    #[inline]
    fn begin_change(&mut self) {
        self.changes += 1;
    }

    #[inline]
    fn end_change(&mut self) {
        assert!(self.changes > 0, "a change that ends has begun");
        self.changes -= 1;
        if self.changes == 0 {
            self.publish();
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn get(&self, addr: VirtAddr) -> Option<Entry> {
        self.containing(addr.get())
    }

    #[inline]
    fn find(&self, addr: VirtAddr) -> Option<Entry> {
        self.entry(self.seat_from(addr.get()))
    }

    #[inline]
    fn neighbours(&self, addr: VirtAddr) -> Neighbours {
        self.around(addr.get())
    }

    #[inline]
    fn sides(&self, range: PageRange) -> Neighbours {
        self.beside(range.start().get())
    }

    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_ {
        self.iter_at(self.seat_from(addr.get()))
    }

    fn reserve(&mut self, inserts: usize) -> Result<(), NoMemory> {
        let splits = inserts.saturating_mul(2);
        self.leaves.reserve(splits)?;
        self.inners.reserve(self.inner_splits(splits))
    }

    fn insert(&mut self, range: PageRange, id: VmaId) {
        self.begin_change();
        self.add(Entry { range, id });
        self.end_change();
    }

    fn remove(&mut self, start: VirtAddr) -> Entry {
        self.begin_change();
        let entry = self.take(start.get());
        self.end_change();
        entry
    }

    fn resize(&mut self, start: VirtAddr, to: PageRange) {
        self.begin_change();
        self.change(start.get(), to);
        self.end_change();
    }

    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        self.first_gap(within, len)
    }

    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        self.last_gap(within, len)
    }

    fn check_invariants(&self) {
        self.check();
    }

    fn dump(&self) -> String {
        self.print()
    }
}
