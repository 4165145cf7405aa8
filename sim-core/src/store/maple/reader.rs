//! Lookups without a lock, while the store changes.

use sim_sync::prim::atomic::{AtomicU64, Ordering::Relaxed};
use std::fmt;
use std::sync::Arc;

use sim_sync::SeqCount;

use crate::VirtAddr;
use crate::store::{Changing, Entry, StoreReader};

use super::MAX_DEPTH;
use super::arena::{Arena, Chunks, NodeId};
use super::inner::Inner;
use super::leaf::Leaf;
use super::search::search_key;

/// How often a reader looks before it takes mmap_lock.
const ATTEMPTS: u32 = 4;

/// What readers without a lock share with the store.
pub(super) struct Shared {
    /// Odd while the store changes.
    pub(super) seq: SeqCount,
    /// The root's number, and above it the height.
    root: AtomicU64,
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
            root: AtomicU64::new(u64::from(root.number())),
            leaves: Arc::clone(leaves.shared()),
            inners: Arc::clone(inners.shared()),
        }
    }

    /// Exchanges the root. Only within a change.
    pub(super) fn set_root(&self, root: NodeId, height: usize) {
        let root = u64::from(root.number()) | (height as u64) << 32;
        self.root.store(root, Relaxed);
    }

    /// The entry that contains `addr`, if nothing changes meanwhile. An error is that something did.
    fn look_up(&self, addr: u64) -> Result<Option<Entry>, Changing> {
        let key = search_key(addr);
        let root = self.root.load(Relaxed);
        let mut node = NodeId::from_number(root as u32);
        let height = (root >> 32) as usize;
        debug_assert!(height <= MAX_DEPTH, "heights are stored whole");
        for _ in 0..height {
            node = self.inners.racy(node).ok_or(Changing)?.child_for(key);
        }
        let leaf = self.leaves.racy(node).ok_or(Changing)?;
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
