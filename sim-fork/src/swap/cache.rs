//! The swap cache: pages that are in memory and have a place in swap (`mm/swap_state.c`,
//! `mm/swapfile.c`, 6.18).
//!
//! - reclaim: a page enters, and leaves when it is written; a disk takes its time for that, so that
//!   the page is still there afterwards, until memory is short or it is reclaimed once more;
//! - a fault, or `MADV_WILLNEED`, reads a page that is not there into it. What one entry alone has is
//!   not put there if the device answers at once;
//! - it leaves when the last entry is gone and nobody maps it, or somebody needs to be alone with it.

use sim_pagetable::{FrameFlags, Pfn};

use super::{Placed, SwapId};
use crate::folio;
use crate::shared::Shared;

impl Shared {
    /// Gives an anonymous page, or one of shared memory that is about to leave the page cache, a place
    /// in swap and makes it dirty, so that it is written (`folio_alloc_swap()`); `None` if swap is
    /// full. A page that has a place keeps it.
    pub(crate) fn enter_swap(&self, pfn: Pfn) -> Option<SwapId> {
        match self.swap.place_for(pfn)? {
            Placed::Already(place) => Some(place),
            Placed::Now(place) => {
                self.frames.get(pfn);
                self.frames.meta(pfn).set_flags(FrameFlags::SWAPCACHE);
                folio::mark_dirty(&self.frames, pfn);
                Some(place)
            }
        }
    }

    /// Writes a page that nobody maps any more to its place, and lets go of it if it is written at
    /// once (`mm/vmscan.c: pageout()`, `__remove_mapping()`). True if so.
    ///
    /// Pages of zeroes are not written at all (`mm/page_io.c: swap_writeout()`).
    pub(crate) fn write_to_swap(&self, pfn: Pfn, place: SwapId) -> bool {
        let meta = self.frames.meta(pfn);
        if meta.has(FrameFlags::DIRTY) {
            self.swap.fill(place, meta.tag());
            meta.clear_flags(FrameFlags::DIRTY);
            if meta.tag() != 0 && !self.swap.device().is_synchronous() {
                return false;
            }
        }
        self.drop_from_swap_cache(pfn)
    }

    /// Takes a page that only the swap cache refers to and that was written out of it. True if so.
    pub(crate) fn drop_from_swap_cache(&self, pfn: Pfn) -> bool {
        let clean = !self.frames.meta(pfn).has(FrameFlags::DIRTY);
        let gone = clean && self.frames.refs(pfn) == 1 && self.swap.remove(pfn, false);
        if gone {
            self.left_swap_cache(pfn);
        }
        gone
    }

    /// Gives the place of a page back if no entry refers to it any more (`folio_free_swap()`). True
    /// if so: the page is the only copy of what it contains then.
    pub(crate) fn free_swap(&self, pfn: Pfn) -> bool {
        let freed = self.swap.remove(pfn, true);
        if freed {
            folio::mark_dirty(&self.frames, pfn);
            self.left_swap_cache(pfn);
        }
        freed
    }

    /// A page has been unmapped for good: its place is given back unless other entries refer to it
    /// (`free_swap_cache()`).
    #[inline]
    pub(crate) fn free_swap_if_unmapped(&self, pfn: Pfn) {
        let in_cache = self.frames.meta(pfn).has(FrameFlags::SWAPCACHE);
        if in_cache && self.frames.page_mapcount(pfn) == 0 {
            self.free_swap(pfn);
        }
    }

    /// An entry for a place is gone. With the last one goes the page in the swap cache, unless
    /// somebody maps it and there is plenty of swap (`free_swap_and_cache()`).
    pub(crate) fn free_swap_and_cache(&self, slot: SwapId) {
        if let Some(pfn) = self.swap.release(slot)
            && (self.frames.page_mapcount(pfn) == 0 || self.swap.is_full())
        {
            self.free_swap(pfn);
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
        let pfn = self.frames.alloc(flags | FrameFlags::SWAPCACHE)?;
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
        let mut dropped = 0;
        for pfn in self.swap.cached_pages() {
            if dropped == wanted {
                break;
            }
            dropped += u64::from(self.drop_from_swap_cache(pfn));
        }
        dropped
    }

    fn left_swap_cache(&self, pfn: Pfn) {
        self.frames.meta(pfn).clear_flags(FrameFlags::SWAPCACHE);
        self.frames.put(pfn);
    }
}
