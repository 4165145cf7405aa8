//! Changes of a leaf's entries: the only writes to them.

use crate::store::Entry;
use crate::{PAGE_SHIFT, PageRange};

use sim_sync::prim::atomic::Ordering::Relaxed;

use super::super::arena::{NodeId, NodeMut};
use super::super::slots::{Rows, Slots as _};
use super::{FAR, LEAF_SLOTS, Leaf, SPAN, UNUSED};

impl NodeMut<'_, Leaf> {
    /// Sets the leaf before it.
    pub(in crate::store::maple) fn set_prev(&mut self, prev: NodeId) {
        self.prev.set(prev);
    }

    /// Sets the leaf after it.
    pub(in crate::store::maple) fn set_next(&mut self, next: NodeId) {
        self.next.set(next);
    }

    /// Makes sure that an entry can start at `start`; cannot if that is too far from the others.
    #[inline]
    pub(in crate::store::maple) fn admit(&mut self, start: u64) -> bool {
        let page = start >> PAGE_SHIFT;
        let base = self.base();
        if page >= base && page - base <= SPAN && self.len() > 0 {
            return true;
        }
        self.rebase_for(page)
    }

    #[cold]
    fn rebase_for(&mut self, page: u64) -> bool {
        let Some(last) = self.len().checked_sub(1) else {
            self.base.store(page, Relaxed);
            return true;
        };
        let low = page.min(self.start(0) >> PAGE_SHIFT);
        let high = page.max(self.start(last) >> PAGE_SHIFT);
        let possible = high - low <= SPAN;
        if possible {
            self.rebase(low);
        }
        possible
    }

    /// Counts offsets from another page.
    fn rebase(&mut self, base: u64) {
        let delta = self.base().cast_signed() - base.cast_signed();
        for slot in 0..self.len() {
            for offsets in [&self.starts, &self.ends] {
                let moved = i64::from(offsets.get(slot)) + delta;
                offsets.set(slot, moved.clamp(0, i64::from(FAR)) as i32);
            }
        }
        self.base.store(base, Relaxed);
        self.renew_last_end(self.last_end());
    }

    /// Sets the end of the last entry, if there is one.
    #[inline]
    fn renew_last_end(&mut self, end: u64) {
        match self.len().checked_sub(1) {
            Some(last) => {
                self.last_end.store(end, Relaxed);
                self.ends.set(last, self.offset(end));
            }
            None => self.last_end.store(0, Relaxed),
        }
    }

    /// Starts, ends and ids.
    #[inline]
    fn rows(&self) -> Rows<'_, 3, { LEAF_SLOTS / 2 }> {
        Rows([self.starts.row(), self.ends.row(), self.ids.row()])
    }

    /// Adds an entry at `slot`; the leaf is not full and admits it.
    #[inline]
    pub(in crate::store::maple) fn insert(&mut self, slot: usize, entry: Entry) {
        let len = self.len();
        let (start, end) = (entry.range.start().get(), entry.range.end().get());
        let (from, to) = (self.offset(start), self.offset(end));
        let values = [from.cast_unsigned(), to.cast_unsigned(), entry.id.0];
        self.rows().open(len, slot, values);
        if slot == len {
            self.last_end.store(end, Relaxed);
        }
        self.len.store(len as u8 + 1, Relaxed);
        self.last_insert.store(slot as u8, Relaxed);
    }

    /// Takes out the entry at `slot`.
    #[inline]
    pub(in crate::store::maple) fn remove(&mut self, slot: usize) -> Entry {
        let entry = self.entry(slot);
        let len = self.len();
        if slot + 1 == len {
            let end = slot.checked_sub(1).map_or(0, |before| self.end(before));
            self.last_end.store(end, Relaxed);
        }
        let unused = UNUSED.cast_unsigned();
        self.rows().close(len, slot, [unused, unused, 0]);
        self.len.store(len as u8 - 1, Relaxed);
        entry
    }

    /// Changes the ends of the entry at `slot`; the leaf admits its start.
    #[inline]
    pub(in crate::store::maple) fn set_range(&mut self, slot: usize, range: PageRange) {
        let (start, end) = (range.start().get(), range.end().get());
        self.starts.set(slot, self.offset(start));
        self.ends.set(slot, self.offset(end));
        if slot + 1 == self.len() {
            self.last_end.store(end, Relaxed);
        }
    }

    /// Makes sure that entries of this leaf and the following one could be in one leaf; cannot if
    /// they are too far from each other.
    pub(in crate::store::maple) fn join_bases(&mut self, next: &mut Self) -> bool {
        let both: [&Leaf; 2] = [&*self, &*next];
        let starts = || {
            both.iter()
                .filter_map(|leaf| leaf.first())
                .map(|e| e.range.start())
        };
        let lasts = both
            .iter()
            .filter_map(|leaf| leaf.last())
            .map(|e| e.range.start());
        let (Some(low), Some(high)) = (starts().min(), lasts.max()) else {
            return true;
        };
        let possible = high.page_number() - low.page_number() <= SPAN;
        if possible {
            self.rebase(low.page_number());
            next.rebase(low.page_number());
        }
        possible
    }

    /// Moves the last `count` entries before those of the following leaf, which has the same base
    /// or is empty.
    pub(in crate::store::maple) fn give_to_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        next.base.store(self.base(), Relaxed);
        let ends = if right > 0 {
            next.last_end()
        } else {
            self.last_end()
        };
        let keeps = (left - count)
            .checked_sub(1)
            .map_or(0, |last| self.end(last));
        self.starts
            .give_to(left, (&next.starts, right), count, UNUSED);
        self.ends.give_to(left, (&next.ends, right), count, UNUSED);
        self.ids.give_to(left, (&next.ids, right), count, 0);
        self.resized(left - count, keeps);
        next.resized(right + count, ends);
    }

    /// Moves the first `count` entries of the following leaf behind its own; bases are the same.
    pub(in crate::store::maple) fn take_from_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        let ends = next.last_end();
        let gets = count
            .checked_sub(1)
            .map_or(self.last_end(), |last| next.end(last));
        self.starts
            .take_from(left, (&next.starts, right), count, UNUSED);
        self.ends
            .take_from(left, (&next.ends, right), count, UNUSED);
        self.ids.take_from(left, (&next.ids, right), count, 0);
        self.resized(left + count, gets);
        next.resized(right - count, ends);
    }

    fn resized(&mut self, len: usize, last_end: u64) {
        self.len.store(len as u8, Relaxed);
        self.last_insert.store(u8::MAX, Relaxed);
        self.renew_last_end(last_end);
    }
}
