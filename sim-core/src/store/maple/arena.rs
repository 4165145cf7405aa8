//! Nodes in chunks that never move, by number, with a free list through the nodes themselves.
//!
//! Readers without a lock share the chunks. A node is never given back to the allocator while the
//! store or a reader of it lives, so that a reader that is too late finds a node of the same kind,
//! if another one (Linux: `SLAB_TYPESAFE_BY_RCU`).
//!
//! # Who may do what
//! - `&N` is had from an [`Arena`] alone, by who holds the store: nothing changes while it lives,
//!   but for the caches of gaps. It may be read plainly.
//! - [`NodeMut`] is had from `&mut Arena`; changes are atomic stores.
//! - [`Racy`] is had from [`Chunks`], by readers without a lock: atomic loads alone.

use std::marker::PhantomData;
use std::ops::{Deref, Index};
use std::sync::{Arc, OnceLock};

use crate::store::NoMemory;

/// Bits of a node's number within its chunk; the others are the chunk's.
const SLOT_BITS: u32 = 25;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// Chunks of an arena at most.
const CHUNKS: usize = 96;
/// Nodes of the first chunk.
const FIRST_CHUNK: usize = 4;
/// Up to so many nodes arenas double.
const DOUBLING: usize = 64;
/// From this chunk on arenas grow by a half, lest chunks run out.
const LAST_CHUNKS: usize = 84;

/// A node's number in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// No node: of a chunk that there never is.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// Is there none?
    #[inline]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The node's number, as it is stored and for people.
    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// The node with a number that was stored.
    #[inline]
    pub(super) fn from_number(number: u32) -> Self {
        Self(number)
    }

    #[inline]
    fn chunk(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }

    #[inline]
    fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }
}

/// What an arena can hold.
pub(super) trait Node {
    /// A node that is free.
    fn new_free() -> Self;

    /// Takes all slots out.
    fn clear(&self);

    /// The next free node, of a free one.
    fn next_free(&self) -> NodeId;

    /// Sets the next free node.
    fn set_next_free(&self, next: NodeId);
}

/// A node that its holder may change, and nobody else.
#[derive(Debug)]
pub(super) struct NodeMut<'a, N> {
    node: &'a N,
    /// It is borrowed from the arena like a `&mut N`, although readers may look at it.
    unique: PhantomData<&'a mut N>,
}

impl<N> Deref for NodeMut<'_, N> {
    type Target = N;
    #[inline]
    fn deref(&self) -> &N {
        self.node
    }
}

/// A node that may be changing: whatever is read from it has to be validated.
#[derive(Debug)]
pub(super) struct Racy<'a, N>(pub(super) &'a N);

/// The chunks of an arena, for all who look.
#[derive(Debug)]
pub(super) struct Chunks<N>([OnceLock<Arc<[N]>>; CHUNKS]);

impl<N> Chunks<N> {
    fn new() -> Self {
        Self([const { OnceLock::new() }; CHUNKS])
    }

    /// A node by a number that may be out of date.
    #[inline]
    pub(super) fn racy(&self, id: NodeId) -> Option<Racy<'_, N>> {
        let chunk = self.0.get(id.chunk())?.get()?;
        chunk.get(id.slot()).map(Racy)
    }
}

/// The nodes of one kind.
#[derive(Debug)]
pub(super) struct Arena<N> {
    /// The chunks that there are.
    chunks: Vec<Arc<[N]>>,
    shared: Arc<Chunks<N>>,
    free: NodeId,
    used: usize,
    total: usize,
}

impl<N: Node> Arena<N> {
    /// An arena without nodes.
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            shared: Arc::new(Chunks::new()),
            free: NodeId::NONE,
            used: 0,
            total: 0,
        }
    }

    /// Its chunks, for readers.
    pub(super) fn shared(&self) -> &Arc<Chunks<N>> {
        &self.shared
    }

    /// Nodes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes that it takes from the allocator for nodes.
    pub(super) fn bytes(&self) -> usize {
        self.total * size_of::<N>()
    }

    /// Makes sure that `count` allocations need no memory.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), NoMemory> {
        match count.saturating_sub(self.total - self.used) {
            0 => Ok(()),
            needed => self.grow(needed),
        }
    }

    /// Adds a chunk of at least `needed` nodes.
    ///
    /// Arenas of some size grow by an eighth: doubling them would cost more memory than the entries
    /// take.
    #[cold]
    fn grow(&mut self, needed: usize) -> Result<(), NoMemory> {
        let growth = match (self.total, self.chunks.len()) {
            (0, _) => FIRST_CHUNK,
            (..DOUBLING, _) => self.total,
            (_, LAST_CHUNKS..) => self.total / 2,
            (_, _) => self.total / 8,
        };
        let count = needed.max(growth).min(SLOT_MASK as usize);
        let number = self.chunks.len();
        if number == CHUNKS || count < needed {
            return Err(NoMemory);
        }
        let chunk: Arc<[N]> = (0..count).map(|_| N::new_free()).collect();
        for (slot, node) in chunk.iter().enumerate().rev() {
            node.set_next_free(self.free);
            self.free = NodeId((number << SLOT_BITS | slot) as u32);
        }
        let publish = self.shared.0[number].set(Arc::clone(&chunk));
        assert!(publish.is_ok(), "a chunk is added once");
        self.chunks.push(chunk);
        self.total += count;
        Ok(())
    }

    /// A new, empty node.
    pub(super) fn alloc(&mut self) -> NodeId {
        if self.free.is_none() {
            self.grow(1).expect("memory for a node");
        }
        let id = self.free;
        self.used += 1;
        self.free = self[id].next_free();
        self[id].clear();
        id
    }

    /// Gives a node back.
    pub(super) fn free(&mut self, id: NodeId) {
        self[id].set_next_free(self.free);
        self.free = id;
        self.used -= 1;
    }

    /// A node, to be changed.
    #[inline]
    pub(super) fn edit(&mut self, id: NodeId) -> NodeMut<'_, N> {
        NodeMut {
            node: &self[id],
            unique: PhantomData,
        }
    }

    /// Two different nodes at once.
    pub(super) fn pair(&mut self, a: NodeId, b: NodeId) -> (NodeMut<'_, N>, NodeMut<'_, N>) {
        assert!(a != b, "a pair is of different nodes");
        let [a, b] = [a, b].map(|id| NodeMut {
            node: &self[id],
            unique: PhantomData,
        });
        (a, b)
    }
}

impl<N> Index<NodeId> for Arena<N> {
    type Output = N;
    #[inline]
    fn index(&self, id: NodeId) -> &N {
        &self.chunks[id.chunk()][id.slot()]
    }
}
