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
    /// Odd while the store changes.
    pub(super) seq: SeqCount,
    root: Link,
    leaves: Arc<Chunks<Leaf>>,
    inners: Arc<Chunks<Inner>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// That of a store without inner nodes.
    pub(super) fn new(leaves: &Arena<Leaf>, inners: &Arena<Inner>, root: NodeId) -> Self {
        Self {
            seq: SeqCount::new(),
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

    /// The entry that contains `addr`, if nothing changes meanwhile. An error is that something did.
    fn look_up(&self, addr: u64) -> Result<Option<Entry>, Changing> {
        let key = search_key(addr);
        let leaf = self.leaf_for(key).ok_or(Changing)?;
        let entry = if let Some(slot) = leaf.count_le(key).checked_sub(1) {
            leaf.entry(slot).ok_or(Changing)?
        } else {
            let prev = leaf.prev();
            if prev.is_none() {
                return Ok(None);
            }
            let prev = self.leaves.racy(prev).ok_or(Changing)?;
            let last = prev.len().checked_sub(1).ok_or(Changing)?;
            prev.entry(last).ok_or(Changing)?
        };
        let contains = entry.range.contains(VirtAddr::new(addr));
        Ok(contains.then_some(entry))
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
        let shared = &*self.0;
        let seen = shared.seq.read(ATTEMPTS, || shared.look_up(addr.get()));
        seen.unwrap_or(Err(Changing))
    }
}
