//! What a reader without a lock sees of a leaf. Any of it may be out of date, or of several states.

use sim_sync::prim::atomic::Ordering::Relaxed;

use sim_sync::SeqCount;

use crate::store::{Entry, VmaId};
use crate::{PAGE_SHIFT, PageRange, VirtAddr};

use super::super::arena::{NodeId, Racy};
use super::super::slots::Slots as _;
use super::{LEAF_SLOTS, Leaf};

impl Racy<'_, Leaf> {
    /// The count of changes of its entries.
    pub(in crate::store::maple) fn seq(&self) -> &SeqCount {
        &self.0.seq
    }

    /// How many entries it has.
    pub(in crate::store::maple) fn len(&self) -> usize {
        self.0.len()
    }

    /// The leaf before it.
    pub(in crate::store::maple) fn prev(&self) -> NodeId {
        self.0.prev.get_racy()
    }

    /// The number of its entries that start at or below `addr`.
    #[inline]
    pub(in crate::store::maple) fn count_le(&self, addr: u64) -> usize {
        let offset = self.0.offset(addr);
        let below = (0..LEAF_SLOTS / 2).map(|pair| {
            let starts = self.0.starts.pair(pair);
            starts
                .map(|start| usize::from(start <= offset))
                .iter()
                .sum::<usize>()
        });
        below.sum()
    }

    /// The entry in a slot; `None` if that is certainly none.
    #[inline]
    pub(in crate::store::maple) fn entry(&self, slot: usize) -> Option<Entry> {
        let base = self.0.base.load(Relaxed);
        let address =
            |offset: i32| base.wrapping_add(u64::from(offset.cast_unsigned())) << PAGE_SHIFT;
        let end = if slot + 1 == self.len() {
            self.0.last_end()
        } else {
            address(self.0.ends.get(slot))
        };
        let start = VirtAddr::new(address(self.0.starts.get(slot)));
        Some(Entry {
            range: PageRange::try_new(start, VirtAddr::new(end))?,
            id: VmaId(self.0.ids.get(slot)),
        })
    }
}
