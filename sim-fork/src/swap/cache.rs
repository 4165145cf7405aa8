//! The swap cache: pages that are in memory and have a place in swap (`mm/swap_state.c`,
//! `mm/swapfile.c`, 6.18).
//!
//! - reclaim: a page enters, and leaves when it is written; a disk takes its time for that, so that
//!   the page is still there afterwards, until memory is short or it is reclaimed once more;
//! - a fault, or `MADV_WILLNEED`, reads a page that is not there into it. What one entry alone has is
//!   not put there if the device answers at once;
//! - a huge page has as many places one after the other, and enters and leaves whole;
//! - it leaves when the last entry is gone and nobody maps it, or somebody needs to be alone with it.

use sim_pagetable::{FrameFlags, Pfn};

use super::{Placed, SwapId};
use crate::folio::{self, REFAULTED};
use crate::shared::Shared;

impl Shared {
    /// Gives a folio of anonymous memory, or of shared memory that is about to leave the page cache,
    /// a place in swap and makes it dirty, so that it is written (`folio_alloc_swap()`); `None` if
    /// swap is full. A folio that has a place keeps it. The first of its places.
    pub(crate) fn enter_swap(&self, head: Pfn) -> Option<SwapId> {
        let placed = if self.frames.is_large(head) {
            self.swap
                .places_for_large(head, self.frames.folio_pages(head))
        } else {
            self.swap.place_for(head)
        };
        match placed? {
            Placed::Already(place) => Some(place),
            Placed::Now(place) => {
                self.frames.get_many(head, self.pages_of(head));
                self.frames.meta(head).set_flags(FrameFlags::SWAPCACHE);
                folio::mark_dirty(&self.frames, head);
                Some(place)
            }
        }
    }

    /// Writes a folio that nobody maps any more to its places, and lets go of it if it is written at
    /// once (`mm/vmscan.c: pageout()`, `__remove_mapping()`). True if so.
    ///
    /// What holds nothing but zeroes is not written at all (`mm/page_io.c: swap_writeout()`).
    pub(crate) fn write_to_swap(&self, head: Pfn, place: SwapId) -> bool {
        let meta = self.frames.meta(head);
        if meta.has(FrameFlags::DIRTY) {
            let content = |pfn: &Pfn| self.frames.meta(*pfn).tag();
            let contents: Vec<u32> = self.folio(head).iter().map(content).collect();
            let zeroes = contents.iter().all(|&content| content == 0);
            for (content, i) in contents.into_iter().zip(0..) {
                self.swap.fill(place.add(i), content, zeroes);
            }
            meta.clear_flags(FrameFlags::DIRTY);
            if !zeroes && !self.swap.device().is_synchronous() {
                return false;
            }
        }
        self.drop_from_swap_cache(head)
    }

    /// The same for a folio that was to leave now: what does not is on a list again. True if it is
    /// gone.
    pub(crate) fn swap_out(&self, head: Pfn, place: SwapId) -> bool {
        self.frames.meta(head).clear_flags(FrameFlags::ACTIVE);
        let gone = self.write_to_swap(head, place);
        if !gone && self.frames.is_large(head) {
            self.lru.add_large(&self.frames);
        } else if !gone {
            self.lru.add(&self.frames, head);
        }
        gone
    }

    /// Takes a folio that only the swap cache refers to and that was written out of it. True if so.
    pub(crate) fn drop_from_swap_cache(&self, head: Pfn) -> bool {
        let clean = !self.frames.meta(head).has(FrameFlags::DIRTY);
        let alone = self.frames.refs(head) == self.pages_of(head);
        let gone = clean && alone && self.swap.remove(&self.folio(head), false);
        if gone {
            self.left_swap_cache(head);
        }
        gone
    }

    /// Gives the places of a folio back if no entry refers to one of them any more
    /// (`folio_free_swap()`). True if so: the folio is the only copy of what it contains then.
    pub(crate) fn free_swap(&self, head: Pfn) -> bool {
        let freed = self.swap.remove(&self.folio(head), true);
        if freed {
            folio::mark_dirty(&self.frames, head);
            self.left_swap_cache(head);
        }
        freed
    }

    /// A page has been unmapped for good: if nobody maps any of its folio, its place is given back
    /// unless other entries refer to it (`free_swap_cache()`).
    #[inline]
    pub(crate) fn free_swap_if_unmapped(&self, pfn: Pfn) {
        let head = self.frames.head(pfn);
        let in_cache = self.frames.meta(head).has(FrameFlags::SWAPCACHE);
        if in_cache && self.frames.folio_mapcount(head) == 0 {
            self.free_swap(head);
        }
    }

    /// An entry for a place is gone. With the last one goes the folio in the swap cache, unless
    /// somebody maps it and there is plenty of swap (`free_swap_and_cache()`).
    pub(crate) fn free_swap_and_cache(&self, slot: SwapId) {
        let Some(pfn) = self.swap.release(slot) else {
            return;
        };
        let head = self.frames.head(pfn);
        if self.frames.folio_mapcount(head) == 0 || self.swap.is_full() {
            self.free_swap(head);
        }
    }

    /// Reads the page of a place into the swap cache if it is not there
    /// (`read_swap_cache_async()`). `flags` are those of a new frame. For want of memory it stays
    /// where it is.
    pub(crate) fn read_ahead_swap(&self, slot: SwapId, flags: FrameFlags) {
        let page = self.swap.get(slot).filter(|page| page.cached.is_none());
        let read = page.map(|page| self.read_swap(slot, page.content, flags));
        if let Some(Ok(pfn)) = read {
            self.frames.put(pfn);
        }
    }

    /// Reads a page into the swap cache; the caller gets a reference of its own.
    ///
    /// # Errors
    /// If RAM is used up.
    pub(crate) fn read_swap(
        &self,
        slot: SwapId,
        content: u32,
        flags: FrameFlags,
    ) -> Result<Pfn, sim_pagetable::NoMemory> {
        let pfn = self
            .frames
            .alloc(flags | REFAULTED | FrameFlags::SWAPCACHE)?;
        self.frames.meta(pfn).set_tag(content);
        self.frames.get(pfn);
        if self.swap.insert(slot, pfn) {
            return Ok(pfn);
        }
        // Another thread was faster; or the place is gone, and the fault will notice.
        self.frames.put(pfn);
        if let Some(faster) = self.swap.cached(slot, &self.frames) {
            self.frames.put(pfn);
            return Ok(faster);
        }
        self.frames.meta(pfn).clear_flags(FrameFlags::SWAPCACHE);
        Ok(pfn)
    }

    /// Drops pages that only the swap cache has (they are last on reclaim's lists); how many.
    pub(crate) fn shrink_swap_cache(&self, wanted: u64) -> u64 {
        let cached = self.swap.cached_pages();
        let heads = cached
            .into_iter()
            .filter(|&pfn| self.frames.head(pfn) == pfn);
        let mut dropped = 0;
        for head in heads.collect::<Vec<_>>() {
            if dropped >= wanted {
                break;
            }
            let pages = self.pages_of(head);
            if self.drop_from_swap_cache(head) {
                dropped += u64::from(pages);
            }
        }
        dropped
    }

    /// Is the page of a place in the swap cache, as a part of a huge page?
    pub(crate) fn is_part_of_huge(&self, slot: SwapId) -> bool {
        let page = self.swap.get(slot).and_then(|page| page.cached);
        page.is_some_and(|pfn| self.frames.is_large(pfn))
    }

    fn left_swap_cache(&self, head: Pfn) {
        self.frames.meta(head).clear_flags(FrameFlags::SWAPCACHE);
        self.frames.put_many(head, self.pages_of(head));
    }

    /// How many pages a folio has (`folio_nr_pages()`).
    pub(crate) fn pages_of(&self, head: Pfn) -> u32 {
        self.frames.folio_pages(head) as u32
    }

    fn folio(&self, head: Pfn) -> Vec<Pfn> {
        let pages = 0..u64::from(self.pages_of(head));
        pages.map(|i| head.add(i)).collect()
    }
}
