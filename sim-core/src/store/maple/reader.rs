//! Lookups without a lock, while the store changes.

use std::fmt;
use std::sync::Arc;

use sim_sync::SeqCount;
use sim_sync::tally::{self, Counted};

use crate::VirtAddr;
use crate::store::{Changing, Entry, StoreReader};

use super::MAX_DEPTH;
use super::arena::{Arena, Chunks, Link, NodeId, Racy};
use super::inner::Inner;
use super::leaf::Leaf;
use super::search::search_key;

/// How often a reader looks before it takes mmap_lock.
const ATTEMPTS: u32 = 4;

/// What readers without a lock share with the store.
pub(super) struct Shared {
    /// Odd while the shape changes: what is linked to what, and entries that move between leaves.
    pub(super) shape: SeqCount,
    root: Link,
    leaves: Arc<Chunks<Leaf>>,
    inners: Arc<Chunks<Inner>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// That of a store without inner nodes.
    pub(super) fn new(leaves: &Arena<Leaf>, inners: &Arena<Inner>, root: NodeId) -> Self {
        Self {
            shape: SeqCount::new(),
            root: Link::new(root),
            leaves: Arc::clone(leaves.chunks()),
            inners: Arc::clone(inners.chunks()),
        }
    }

    /// Exchanges the root. Only within a change.
    pub(super) fn set_root(&self, root: NodeId) {
        self.root.set(root);
    }

    /// The leaf that `key` belongs to. What changes meanwhile may lead in circles.
    #[inline]
    fn leaf_for(&self, key: u64) -> Option<Racy<'_, Leaf>> {
        let mut node = self.root.get_racy();
        for _ in 0..MAX_DEPTH {
            tally::count(Counted::Nodes);
            let Some(inner) = self.inners.racy(node) else {
                break;
            };
            node = inner.child_for(key);
        }
        self.leaves.racy(node)
    }

    /// The last entry that starts at or below `key`; an error is that something has changed.
    #[inline]
    fn last_at(&self, key: u64) -> Result<Option<Entry>, Changing> {
        let shape = self.shape.start().ok_or(Changing)?;
        let leaf = self.leaf_for(key).ok_or(Changing)?;
        let stamp = leaf.seq().start().ok_or(Changing)?;
        let entry = match leaf.count_le(key).checked_sub(1) {
            Some(slot) => leaf.entry(slot),
            None => self.last_before(&leaf)?,
        };
        if leaf.seq().is_same(stamp) && self.shape.is_same(shape) {
            Ok(entry)
        } else {
            Err(Changing)
        }
    }

    /// The last entry of the leaf before `leaf`.
    fn last_before(&self, leaf: &Racy<'_, Leaf>) -> Result<Option<Entry>, Changing> {
        let prev = leaf.prev();
        if prev.is_none() {
            return Ok(None);
        }
        let prev = self.leaves.racy(prev).ok_or(Changing)?;
        let stamp = prev.seq().start().ok_or(Changing)?;
        let last = prev.len().checked_sub(1).ok_or(Changing)?;
        let entry = prev.entry(last);
        prev.seq().is_same(stamp).then_some(entry).ok_or(Changing)
    }
}

/// Looks up entries of a [`MapleStore`](super::MapleStore) without a lock.
#[derive(Clone, Debug)]
pub struct MapleReader(Arc<Shared>);

impl MapleReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl StoreReader for MapleReader {
    #[inline]
    fn get(&self, addr: VirtAddr) -> Result<Option<Entry>, Changing> {
        for _ in 0..ATTEMPTS {
            if let Ok(entry) = self.0.last_at(search_key(addr.get())) {
                return Ok(entry.filter(|entry| entry.range.contains(addr)));
            }
            std::hint::spin_loop();
        }
        Err(Changing)
    }
}
