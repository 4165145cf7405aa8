//! Looking up entries.

use sim_sync::tally::{self, Counted};

use crate::store::{Entry, Neighbours};

use super::MapleStore;
use super::arena::NodeId;
use super::leaf::Leaf;
use super::search::search_key;

/// An entry's place: a leaf and a slot of it, which may be one past its last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    leaf: NodeId,
    slot: usize,
}

impl MapleStore {
    /// The leaf that `key` belongs to.
    #[inline]
    pub(super) fn leaf_for(&self, key: u64) -> NodeId {
        tally::add(Counted::Nodes, self.height + 1);
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = &self.inners[node];
            node = inner.child(inner.slot_for(key));
        }
        node
    }

    /// The leaf with this number, if any.
    pub(super) fn leaf(&self, id: NodeId) -> Option<&Leaf> {
        (!id.is_none()).then(|| &self.leaves[id])
    }

    /// The entry that contains `addr`.
    #[inline]
    pub(super) fn containing(&self, addr: u64) -> Option<Entry> {
        let key = search_key(addr);
        let leaf = &self.leaves[self.leaf_for(key)];
        match leaf.count_le(key) {
            0 => self
                .leaf(leaf.prev())?
                .last()
                .filter(|e| addr < e.range.end().get()),
            count => (addr < leaf.end(count - 1)).then(|| leaf.entry(count - 1)),
        }
    }

    /// The place of the first entry that ends above `addr`.
    #[inline]
    pub(super) fn seat_from(&self, addr: u64) -> Seat {
        let key = search_key(addr);
        let id = self.leaf_for(key);
        let leaf = &self.leaves[id];
        let above = leaf.count_le(key);
        if above > 0 {
            let slot = above - usize::from(addr < leaf.end(above - 1));
            return Seat { leaf: id, slot };
        }
        match self.leaf(leaf.prev()) {
            Some(prev) if addr < prev.last_end() => Seat {
                leaf: leaf.prev(),
                slot: prev.len() - 1,
            },
            Some(_) | None => Seat { leaf: id, slot: 0 },
        }
    }

    /// The entry at a place, or the first one after it.
    #[inline]
    pub(super) fn entry(&self, seat: Seat) -> Option<Entry> {
        self.at(&self.leaves[seat.leaf], seat.slot)
    }

    /// The entry in a slot of a leaf, or the first one of the next leaf.
    #[inline]
    fn at(&self, leaf: &Leaf, slot: usize) -> Option<Entry> {
        if slot < leaf.len() {
            Some(leaf.entry(slot))
        } else {
            self.leaf(leaf.next())?.first()
        }
    }

    /// The entry before a slot of a leaf, which may be the last one of the leaf before.
    #[inline]
    fn before(&self, leaf: &Leaf, slot: usize) -> Option<Entry> {
        match slot.checked_sub(1) {
            Some(below) => Some(leaf.entry(below)),
            None => self.leaf(leaf.prev())?.last(),
        }
    }

    /// The entries on either side of `addr`.
    #[inline]
    pub(super) fn around(&self, addr: u64) -> Neighbours {
        if let Some(found) = self.beside_last_change(addr) {
            return found;
        }
        let leaf = &self.leaves[self.leaf_for(search_key(addr))];
        let slot = addr.checked_sub(1).map_or(0, |below| leaf.count_le(below));
        Neighbours {
            prev: self.before(leaf, slot),
            next: self.at(leaf, slot),
        }
    }

    /// The same without a descent, if the lower one is the entry that changed last: who maps one
    /// range after the other asks for it again and again.
    #[inline]
    fn beside_last_change(&self, addr: u64) -> Option<Neighbours> {
        let leaf = self.leaf(self.finger.leaf)?;
        let slot = self.finger.slot;
        if slot >= leaf.len() || leaf.start(slot) >= addr {
            return None;
        }
        let next = self.at(leaf, slot + 1);
        let is_next = next.is_none_or(|next| next.range.start().get() >= addr);
        is_next.then(|| {
            tally::count(Counted::Nodes);
            Neighbours {
                prev: Some(leaf.entry(slot)),
                next,
            }
        })
    }

    /// The entries on either side of the one that starts at `start`, by one descent.
    #[inline]
    pub(super) fn beside(&self, start: u64) -> Neighbours {
        let leaf = &self.leaves[self.leaf_for(start)];
        let above = leaf.count_le(start);
        Neighbours {
            prev: self.before(leaf, above.saturating_sub(1)),
            next: self.at(leaf, above),
        }
    }

    /// The entries from a place on, ascending.
    pub(super) fn iter_at(&self, seat: Seat) -> impl Iterator<Item = Entry> + '_ {
        let mut rest = seat.slot;
        let mut leaf = &self.leaves[seat.leaf];
        std::iter::from_fn(move || {
            if rest == leaf.len() {
                leaf = self.leaf(leaf.next())?;
                rest = 0;
            }
            rest += 1;
            (rest <= leaf.len()).then(|| leaf.entry(rest - 1))
        })
    }
}
