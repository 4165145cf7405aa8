//! Which address spaces map a large folio, as far as Linux keeps count of it
//! (`include/linux/rmap.h: folio_add_return_large_mapcount()`, `folio_sub_return_large_mapcount()`,
//! 6.15 to 6.19).
//!
//! There are two places for address spaces, each with a count of mappings. Whoever comes while both
//! are taken is not counted, and may take one over when it becomes free; so a folio that was
//! mapped by three may count as shared when it no longer is, until it is unmapped.
//!
//! ```text
//!   tail   1       2      3        4       5        6       7
//!   refs   PMDs    PTEs   space 1  count   space 2  count   1: counts as shared
//! ```
//!
//! Folios of fewer than eight pages, which are rare, have the same numbers in a map.

use std::collections::BTreeMap;

use sim_sync::{Mutex, MutexGuard, class};

use super::meta::{COUNT_MASK, ONE_REF, State};
use super::{FrameFlags, Frames};
use crate::Pfn;

/// The tail whose reference count holds the number of PMD mappings.
pub(super) const ENTIRE: u64 = 1;
/// The tail whose reference count holds the sum of the frames' map counts.
pub(super) const TOTAL: u64 = 2;
/// The tails that hold the address spaces; the one after each has its count.
const PLACES: [u64; 2] = [3, 5];
const SHARED: u64 = 7;

/// An address space that maps pages (`mm_id_t`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sharer(u32);

impl Sharer {
    /// The address space with this number.
    pub const fn new(number: u32) -> Self {
        // 0 is nobody.
        Self(number % (COUNT_MASK as u32) + 1)
    }
}

/// Tails that hold something, and the head.
const NUMBERS: u64 = SHARED + 1;

/// What is counted of folios.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// The locks of folios' counts, several folios to each (`folio_lock_large_mapcount()`).
    locks: [Mutex<(), class::FolioCounts>; 16],
    /// The numbers of folios that have too few tails, by their heads; what is 0 may be left out.
    small: Mutex<BTreeMap<Pfn, [u32; NUMBERS as usize]>, class::SmallFolios>,
}

impl Counting {
    fn lock(&self, head: Pfn) -> MutexGuard<'_, (), class::FolioCounts> {
        let folio = head.get() / crate::addr::HUGE_PAGES;
        self.locks[folio as usize % self.locks.len()].lock()
    }
}

impl Frames {
    /// Counts mappings of a folio by an address space; `kind` is [`ENTIRE`] or [`TOTAL`].
    pub(super) fn folio_mapped(&self, head: Pfn, kind: u64, count: u32, by: Sharer) {
        let _lock = self.concurrent().then(|| self.counting.lock(head));
        self.set_tail(head, kind, self.tail(head, kind) + count);
        if let Some(place) = self.place_of(head, by) {
            self.set_tail(head, place + 1, self.tail(head, place + 1) + count);
        } else if let Some(place) = self.free_place(head) {
            self.set_tail(head, place, by.0);
            self.set_tail(head, place + 1, count);
            if place != PLACES[0] || self.mappings(head) != count {
                self.set_tail(head, SHARED, 1);
            }
        }
    }

    /// Takes back [`Self::folio_mapped`]. How many of the kind are left.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn folio_unmapped(&self, head: Pfn, kind: u64, count: u32, by: Sharer) -> u32 {
        let _lock = self.concurrent().then(|| self.counting.lock(head));
        let left = self.tail(head, kind).checked_sub(count);
        let left = left.expect("map count of a folio below zero");
        self.set_tail(head, kind, left);
        if let Some(place) = self.place_of(head, by) {
            let own = self.tail(head, place + 1).saturating_sub(count);
            self.set_tail(head, place + 1, own);
            if own > 0 {
                return left;
            }
            self.set_tail(head, place, 0);
        }
        let all = self.mappings(head);
        if PLACES.iter().any(|place| self.tail(head, place + 1) == all) {
            self.set_tail(head, SHARED, 0);
        }
        left
    }

    /// May more than one address space map the folio of `pfn`? Of a small one: is it mapped more
    /// than once? (`folio_maybe_mapped_shared()`)
    pub fn is_maybe_shared(&self, pfn: Pfn) -> bool {
        let mappings = self.folio_mapcount(pfn);
        if mappings <= 1 || !self.is_large(pfn) {
            return mappings > 1;
        }
        self.tail(self.head(pfn), SHARED) != 0
    }

    fn mappings(&self, head: Pfn) -> u32 {
        self.tail(head, ENTIRE) + self.tail(head, TOTAL)
    }

    fn place_of(&self, head: Pfn, by: Sharer) -> Option<u64> {
        let mut places = PLACES.into_iter();
        places.find(|&place| self.tail(head, place) == by.0)
    }

    fn free_place(&self, head: Pfn) -> Option<u64> {
        let mut places = PLACES.into_iter();
        places.find(|&place| self.tail(head, place) == 0)
    }

    pub(super) fn tail(&self, head: Pfn, number: u64) -> u32 {
        if self.folio_pages(head) < NUMBERS {
            let small = self.counting.small.lock();
            return small
                .get(&head)
                .map_or(0, |numbers| numbers[number as usize]);
        }
        self.meta(head.add(number)).state().refs()
    }

    /// A folio of so many pages is none any more.
    pub(super) fn forget_counts(&self, head: Pfn, pages: u64) {
        if (2..NUMBERS).contains(&pages) {
            self.counting.small.lock().remove(&head);
        }
    }

    fn set_tail(&self, head: Pfn, number: u64, value: u32) {
        if self.folio_pages(head) < NUMBERS {
            let mut small = self.counting.small.lock();
            small.entry(head).or_default()[number as usize] = value;
            return;
        }
        let meta = self.meta(head.add(number));
        debug_assert!(meta.has(FrameFlags::LARGE_TAIL), "{head:?} is no folio");
        let old: State = meta.state();
        // The map count beside it may change meanwhile.
        let change = (u64::from(value).wrapping_sub(u64::from(old.refs()))).wrapping_mul(ONE_REF);
        meta.add(change, self.concurrent());
    }
}
