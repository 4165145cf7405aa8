//! Changes of a leaf's entries: the only writes to them.

use crate::store::Entry;
use crate::{PAGE_SHIFT, PageRange};

use super::super::slots::{Pair, close, open};
use super::{FAR, Leaf, SPAN, UNUSED};

impl Leaf {
    /// Makes sure that an entry can start at `start`; cannot if that is too far from the others.
    #[inline]
    pub(in crate::store::maple) fn admit(&mut self, start: u64) -> bool {
        let page = start >> PAGE_SHIFT;
        if page >= self.base && page - self.base <= SPAN && self.len > 0 {
            return true;
        }
        self.rebase_for(page)
    }

    #[cold]
    fn rebase_for(&mut self, page: u64) -> bool {
        let Some(last) = self.len().checked_sub(1) else {
            self.base = page;
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
        let delta = self.base.cast_signed() - base.cast_signed();
        let len = self.len();
        for offset in self.starts[..len].iter_mut().chain(&mut self.ends[..len]) {
            *offset = (i64::from(*offset) + delta).clamp(0, i64::from(FAR)) as i32;
        }
        self.base = base;
        self.renew_last_end(self.last_end);
    }

    /// Sets the end of the last entry, if there is one.
    #[inline]
    fn renew_last_end(&mut self, end: u64) {
        match self.len().checked_sub(1) {
            Some(last) => {
                self.last_end = end;
                self.ends[last] = self.offset(end);
            }
            None => self.last_end = 0,
        }
    }

    /// Adds an entry at `slot`; the leaf is not full and admits it.
    #[inline]
    pub(in crate::store::maple) fn insert(&mut self, slot: usize, entry: Entry) {
        let len = self.len();
        let (start, end) = (entry.range.start().get(), entry.range.end().get());
        let (from, to) = (self.offset(start), self.offset(end));
        open(&mut self.starts, len, slot, from);
        open(&mut self.ends, len, slot, to);
        open(&mut self.ids, len, slot, entry.id);
        if slot == len {
            self.last_end = end;
        }
        self.len += 1;
        self.last_insert = slot as u8;
    }

    /// Takes out the entry at `slot`.
    #[inline]
    pub(in crate::store::maple) fn remove(&mut self, slot: usize) -> Entry {
        let entry = self.entry(slot);
        let len = self.len();
        if slot + 1 == len {
            self.last_end = slot.checked_sub(1).map_or(0, |before| self.end(before));
        }
        close(&mut self.starts, len, slot);
        close(&mut self.ends, len, slot);
        close(&mut self.ids, len, slot);
        self.starts[len - 1] = UNUSED;
        self.len -= 1;
        entry
    }

    /// Changes the ends of the entry at `slot`; the leaf admits its start.
    #[inline]
    pub(in crate::store::maple) fn set_range(&mut self, slot: usize, range: PageRange) {
        self.starts[slot] = self.offset(range.start().get());
        self.ends[slot] = self.offset(range.end().get());
        if slot + 1 == self.len() {
            self.last_end = range.end().get();
        }
    }

    /// Makes sure that entries of this leaf and the following one could be in one leaf; cannot if
    /// they are too far from each other.
    pub(in crate::store::maple) fn join_bases(&mut self, next: &mut Self) -> bool {
        let both = [&*self, &*next];
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
    /// or is empty. Moves swap slots, so that the marks of unused starts come back.
    pub(in crate::store::maple) fn give_to_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        next.base = self.base;
        let ends = if right > 0 {
            next.last_end
        } else {
            self.last_end
        };
        let keeps = (left - count)
            .checked_sub(1)
            .map_or(0, |last| self.end(last));
        Pair::new(&mut self.starts, left, &mut next.starts, right).move_right(count);
        Pair::new(&mut self.ends, left, &mut next.ends, right).move_right(count);
        Pair::new(&mut self.ids, left, &mut next.ids, right).move_right(count);
        self.resized(left - count, keeps);
        next.resized(right + count, ends);
    }

    /// Moves the first `count` entries of the following leaf behind its own; bases are the same.
    pub(in crate::store::maple) fn take_from_next(&mut self, next: &mut Self, count: usize) {
        let (left, right) = (self.len(), next.len());
        let ends = next.last_end;
        let gets = count
            .checked_sub(1)
            .map_or(self.last_end, |last| next.end(last));
        Pair::new(&mut self.starts, left, &mut next.starts, right).move_left(count);
        Pair::new(&mut self.ends, left, &mut next.ends, right).move_left(count);
        Pair::new(&mut self.ids, left, &mut next.ids, right).move_left(count);
        self.resized(left + count, gets);
        next.resized(right - count, ends);
    }

    fn resized(&mut self, len: usize, last_end: u64) {
        self.len = len as u8;
        self.last_insert = u8::MAX;
        self.renew_last_end(last_end);
    }
}
