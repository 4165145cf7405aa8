//! Nodes in chunks that never move, with a free list through the nodes themselves.
//!
//! Readers without a lock follow the same links as the store. A node is never given back to the
//! allocator, and never becomes one of another kind, while the store or a reader of it lives: a
//! reader that is too late finds a node, if another one (Linux: `SLAB_TYPESAFE_BY_RCU`).
//!
//! # Who may do what
//! - `&N` is had from an [`Arena`] alone, by who holds the store: nothing changes while it lives,
//!   but for the caches of gaps. It may be read plainly.
//! - [`NodeMut`] is had from `&mut Arena`; changes are atomic stores.
//! - [`Racy`] is had from [`Chunks`], by readers without a lock: atomic loads alone.
//!
//! # Unsafe code
//! Links are pointers. With numbers that lead to a chunk and a place in it, a lookup among 65,000
//! entries took 1.22 times as long as with all nodes in one vector, which cannot be shared; with
//! pointers it takes as long.

use std::marker::PhantomData;
use std::ops::{Deref, Index};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};

use sim_sync::{Mutex, class};

use sim_sync::tally::{self, Counted};

use crate::store::NoMemory;

use super::slots::Slots;

/// Nodes of the first chunk.
const FIRST_CHUNK: usize = 4;
/// Up to so many nodes arenas double.
const DOUBLING: usize = 64;

/// A node of either kind: a pointer with [`Node::TAG`] in its lowest bit.
///
/// But for [`NONE`](Self::NONE), one is only ever made by [`Arena::grow`], of a chunk that the
/// arena keeps; the store's nodes and its other fields hold those of its own arenas alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(*mut ());

#[expect(unsafe_code, reason = "pointers are neither by default")]
// SAFETY: it is a reference to a node, and those are `Send` and `Sync` (`Node` requires it).
unsafe impl Send for NodeId {}
#[expect(unsafe_code, reason = "pointers are neither by default")]
// SAFETY: as above.
unsafe impl Sync for NodeId {}

impl NodeId {
    /// No node.
    pub(super) const NONE: Self = Self(ptr::null_mut());

    /// Is there none?
    #[inline]
    pub(super) fn is_none(self) -> bool {
        self.0.is_null()
    }

    /// Is it a node of this kind?
    #[inline]
    pub(super) fn is<N: Node>(self) -> bool {
        !self.is_none() && self.0.addr() & 1 == N::TAG
    }

    fn new<N: Node>(node: *const N) -> Self {
        const { assert!(align_of::<N>() > 1, "room for the tag") };
        Self(node.cast_mut().cast::<()>().wrapping_byte_add(N::TAG))
    }

    /// The node.
    ///
    /// # Safety
    /// It is one of this kind ([`is`](Self::is)), and its arena's chunks live as long as `'a`.
    #[expect(unsafe_code, reason = "see the module's documentation")]
    #[inline]
    unsafe fn node<'a, N: Node>(self) -> &'a N {
        debug_assert!(self.is::<N>(), "a link leads to a node of the right kind");
        // SAFETY: the pointer is that of a node which lives long enough, as the caller says; nodes
        // are changed through the atomics in them alone.
        unsafe { &*self.0.wrapping_byte_sub(N::TAG).cast::<N>() }
    }
}

/// What an arena can hold. All that changes in a node is atomic.
pub(super) trait Node: Send + Sync {
    /// 0 or 1, another one for each kind.
    const TAG: usize;

    /// A node that is free.
    fn new_free() -> Self;

    /// Takes all slots out.
    fn clear(&self);

    /// Where a free node keeps the next free one.
    fn free_link(&self) -> &Link;
}

/// A link to a node, which may be followed while it is exchanged.
///
/// Stores release what was written to the node before, its first initialisation above all, to
/// readers without a lock.
#[derive(Debug)]
pub(super) struct Link(AtomicPtr<()>);

impl Link {
    /// A link to a node.
    pub(super) const fn new(to: NodeId) -> Self {
        Self(AtomicPtr::new(to.0))
    }

    /// Where it leads, for who holds the store.
    #[inline]
    pub(super) fn get(&self) -> NodeId {
        NodeId(self.0.load(Relaxed))
    }

    /// Where it leads, for readers without a lock.
    #[inline]
    pub(super) fn get_racy(&self) -> NodeId {
        NodeId(self.0.load(Acquire))
    }

    /// Lets it lead elsewhere.
    #[inline]
    pub(super) fn set(&self, to: NodeId) {
        self.0.store(to.0, Release);
    }
}

/// An array of links.
#[derive(Debug)]
pub(super) struct Links<const N: usize>([Link; N]);

impl<const N: usize> Links<N> {
    /// Links that lead nowhere.
    pub(super) const fn new() -> Self {
        Self([const { Link::new(NodeId::NONE) }; N])
    }

    /// A link.
    #[inline]
    pub(super) fn at(&self, slot: usize) -> &Link {
        &self.0[slot]
    }
}

impl<const N: usize> Slots for Links<N> {
    type Value = NodeId;

    #[inline]
    fn get(&self, slot: usize) -> NodeId {
        self.0[slot].get()
    }

    #[inline]
    fn set(&self, slot: usize, value: NodeId) {
        self.0[slot].set(value);
    }
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

/// The chunks of an arena: those who have them may follow its links.
#[derive(Debug)]
pub(super) struct Chunks<N>(Mutex<Vec<Arc<[N]>>, class::StoreChunks>);

impl<N: Node> Chunks<N> {
    /// A node of this arena, or of another one whose nodes are of another kind.
    #[expect(unsafe_code, reason = "see the module's documentation")]
    #[expect(clippy::unused_self, reason = "who has it keeps the node alive")]
    #[inline]
    pub(super) fn racy(&self, id: NodeId) -> Option<Racy<'_, N>> {
        // SAFETY: ids of this kind in the nodes of a store are those of its one arena of this
        // kind, whose chunks these are; chunks are only ever added.
        id.is::<N>().then(|| Racy(unsafe { id.node() }))
    }
}

/// The nodes of one kind.
#[derive(Debug)]
pub(super) struct Arena<N> {
    chunks: Arc<Chunks<N>>,
    free: NodeId,
    used: usize,
    total: usize,
}

impl<N: Node> Arena<N> {
    /// An arena without nodes.
    pub(super) fn new() -> Self {
        Self {
            chunks: Arc::new(Chunks(Mutex::new(Vec::new()))),
            free: NodeId::NONE,
            used: 0,
            total: 0,
        }
    }

    /// Its chunks, for readers.
    pub(super) fn chunks(&self) -> &Arc<Chunks<N>> {
        &self.chunks
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
        let needed = count.saturating_sub(self.total - self.used);
        if needed > isize::MAX as usize / size_of::<N>() {
            return Err(NoMemory);
        }
        if needed > 0 {
            self.grow(needed);
        }
        Ok(())
    }

    /// Adds a chunk of at least `needed` nodes.
    ///
    /// Arenas of some size grow by an eighth: doubling them would cost more memory than the entries
    /// take.
    #[cold]
    fn grow(&mut self, needed: usize) {
        let growth = match self.total {
            0 => FIRST_CHUNK,
            1..DOUBLING => self.total,
            _ => self.total / 8,
        };
        let chunk: Arc<[N]> = (0..needed.max(growth)).map(|_| N::new_free()).collect();
        let first = Arc::as_ptr(&chunk).cast::<N>();
        for (slot, node) in chunk.iter().enumerate().rev() {
            node.free_link().set(self.free);
            self.free = NodeId::new(first.wrapping_add(slot));
        }
        self.total += chunk.len();
        self.chunks.0.lock().push(chunk);
    }

    /// A new, empty node.
    pub(super) fn alloc(&mut self) -> NodeId {
        tally::count(Counted::NodesTaken);
        if self.free.is_none() {
            self.grow(1);
        }
        let id = self.free;
        self.used += 1;
        self.free = self[id].free_link().get();
        self[id].clear();
        id
    }

    /// Gives a node back.
    pub(super) fn free(&mut self, id: NodeId) {
        tally::count(Counted::NodesGiven);
        self[id].free_link().set(self.free);
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

impl<N: Node> Index<NodeId> for Arena<N> {
    type Output = N;

    /// A node of this arena.
    #[expect(unsafe_code, reason = "see the module's documentation")]
    #[inline]
    fn index(&self, id: NodeId) -> &N {
        // SAFETY: the store takes a leaf for a leaf and an inner node for an inner node, by their
        // depth (`check` sees to it in tests, an assertion in debug builds), and those of this kind
        // are of this arena, which keeps its chunks.
        unsafe { id.node() }
    }
}
