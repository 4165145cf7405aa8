//! Nodes in one vector, by number, with a free list through the nodes themselves.

use std::ops::{Index, IndexMut};

use crate::store::NoMemory;

/// A node's number in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// No node.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// Is there none?
    #[inline]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The node's number, for people.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// What an arena can hold.
pub(super) trait Node {
    /// A node without slots.
    const EMPTY: Self;

    /// Where a free node keeps the next free one.
    fn free_link(&mut self) -> &mut NodeId;
}

/// The nodes of one kind.
#[derive(Debug)]
pub(super) struct Arena<N> {
    nodes: Vec<N>,
    free: NodeId,
    used: usize,
}

impl<N: Node> Arena<N> {
    /// An arena without nodes.
    pub(super) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: NodeId::NONE,
            used: 0,
        }
    }

    /// Nodes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes that it takes from the allocator.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<N>()
    }

    /// Makes sure that `count` allocations need no memory.
    ///
    /// The vector grows by an eighth: large blocks are moved by remapping them, and doubling would
    /// cost more memory than the entries take.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), NoMemory> {
        let needed = count.saturating_sub(self.nodes.len() - self.used);
        if needed <= self.nodes.capacity() - self.nodes.len() {
            return Ok(());
        }
        let more = needed.max(self.nodes.len() / 8);
        self.nodes.try_reserve_exact(more).map_err(|_| NoMemory)
    }

    /// A new, empty node.
    pub(super) fn alloc(&mut self) -> NodeId {
        if self.free.is_none() {
            let id = NodeId(u32::try_from(self.nodes.len()).expect("less than 2^32 nodes"));
            assert!(!id.is_none(), "less than 2^32 nodes");
            self.reserve(1).expect("memory for a node");
            self.nodes.push(N::EMPTY);
            self.used += 1;
            return id;
        }
        self.used += 1;
        let id = self.free;
        self.free = *self[id].free_link();
        self[id] = N::EMPTY;
        id
    }

    /// Gives a node back.
    pub(super) fn free(&mut self, id: NodeId) {
        let next = self.free;
        *self[id].free_link() = next;
        self.free = id;
        self.used -= 1;
    }

    /// Two different nodes at once.
    pub(super) fn pair(&mut self, a: NodeId, b: NodeId) -> (&mut N, &mut N) {
        let [a, b] = self
            .nodes
            .get_disjoint_mut([a.0 as usize, b.0 as usize])
            .expect("different nodes of this arena");
        (a, b)
    }
}

impl<N> Index<NodeId> for Arena<N> {
    type Output = N;
    #[inline]
    fn index(&self, id: NodeId) -> &N {
        &self.nodes[id.0 as usize]
    }
}

impl<N> IndexMut<NodeId> for Arena<N> {
    #[inline]
    fn index_mut(&mut self, id: NodeId) -> &mut N {
        &mut self.nodes[id.0 as usize]
    }
}
