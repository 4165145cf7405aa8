//! Swap: which places are taken, how often, and by what.
//!
//! ```text
//!   page in memory ──▶ place and page, the page in the swap cache ──▶ place alone
//!        ▲    reclaim gives it a place       written, nobody maps it       │
//!        └─────────── the last entry gone (cache.rs) ◀─────────────────────┘ fault, MADV_WILLNEED
//! ```
//!
//! A place is in use as long as entries refer to it or a page is in the swap cache for it.

mod cache;

use std::collections::BTreeMap;

use sim_core::SwapDevice;
use sim_pagetable::{Frames, Pfn, SwapSlot};
use sim_sync::{Mutex, class};

/// A place in swap.
pub type SwapId = SwapSlot;

/// The number of the one swap area there is.
const DEVICE: u8 = 0;

/// One place in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwapPage {
    /// Entries that refer to it: page tables and page caches.
    pub refs: u32,
    /// What it contains.
    pub content: u32,
    /// It was swapped out with a folio of nothing but zeroes, which was not written (`zeromap`).
    pub zeroes: bool,
    /// The frame that holds the same page (the swap cache).
    pub cached: Option<Pfn>,
}

/// A place of a page in the swap cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    /// It had one.
    Already(SwapId),
    /// It has been given one.
    Now(SwapId),
}

/// The swap area.
#[derive(Debug)]
pub struct Swap {
    pages: u64,
    device: SwapDevice,
    inner: Mutex<Inner, class::Swap>,
}

#[derive(Debug, Default)]
struct Inner {
    used: BTreeMap<u64, SwapPage>,
    /// The places of the pages in the swap cache.
    cached: BTreeMap<Pfn, u64>,
    /// Places given back, last one on top.
    free: Vec<u64>,
    /// The first place never used.
    fresh: u64,
}

impl Swap {
    /// An area of so many pages. Place 0 holds the header.
    pub(crate) fn new(pages: u64, device: SwapDevice) -> Self {
        Self {
            pages,
            device,
            inner: Mutex::new(Inner {
                fresh: 1,
                ..Inner::default()
            }),
        }
    }

    /// Is there none?
    pub(crate) const fn is_absent(&self) -> bool {
        self.pages == 0
    }

    /// What it is on.
    pub(crate) const fn device(&self) -> SwapDevice {
        self.device
    }

    /// Is more than half of it in use (`vm_swap_full()`)?
    pub(crate) fn is_full(&self) -> bool {
        let used = self.inner.lock().used.len() as u64;
        self.pages.saturating_sub(used) * 2 < self.pages
    }

    /// The place of a page in the swap cache; a new one without entries if it has none, `None` when
    /// full. The page is in the swap cache then, which has the reference that the caller gives.
    pub(crate) fn place_for(&self, pfn: Pfn) -> Option<Placed> {
        let mut inner = self.inner.lock();
        if let Some(&offset) = inner.cached.get(&pfn) {
            return Some(Placed::Already(place(offset)));
        }
        if inner.used.len() as u64 >= self.pages {
            return None;
        }
        let offset = inner.free.pop().unwrap_or(inner.fresh);
        inner.fresh = inner.fresh.max(offset + 1);
        inner.add(offset, pfn);
        Some(Placed::Now(place(offset)))
    }

    /// The same for a large folio of so many pages: its first place, which is aligned; the others
    /// follow. `None`, too, if there are not so many together, or the device takes no large folios.
    pub(crate) fn places_for_large(&self, head: Pfn, pages: u64) -> Option<Placed> {
        if !self.device.takes_huge_pages() {
            return None;
        }
        let mut inner = self.inner.lock();
        if let Some(&offset) = inner.cached.get(&head) {
            return Some(Placed::Already(place(offset)));
        }
        let places = |first: u64| first..first + pages;
        let first = (pages..self.pages)
            .step_by(pages as usize)
            .take_while(|&first| first + pages <= self.pages)
            .find(|&first| inner.used.range(places(first)).next().is_none())?;
        inner.free.retain(|offset| !places(first).contains(offset));
        if first + pages > inner.fresh {
            let skipped = inner.fresh..first;
            inner.free.splice(0..0, skipped.rev());
            inner.fresh = first + pages;
        }
        for i in 0..pages {
            inner.add(first + i, head.add(i));
        }
        Some(Placed::Now(place(first)))
    }

    /// Writes a place in use; `zeroes`: there is nothing to be written.
    pub(crate) fn fill(&self, slot: SwapId, content: u32, zeroes: bool) {
        if let Some(page) = self.inner.lock().used.get_mut(&slot.offset) {
            page.content = content;
            page.zeroes = zeroes;
        }
    }

    /// A place in use.
    pub fn get(&self, slot: SwapId) -> Option<SwapPage> {
        self.inner.lock().used.get(&slot.offset).copied()
    }

    /// One more reference (`swap_duplicate()`).
    pub fn duplicate(&self, slot: SwapId) {
        if let Some(page) = self.inner.lock().used.get_mut(&slot.offset) {
            page.refs += 1;
        }
    }

    /// One reference less (`swap_free()`). True if the page in the swap cache, if there is one, is
    /// all that is left of it.
    pub(crate) fn release(&self, slot: SwapId) -> Option<Pfn> {
        let mut inner = self.inner.lock();
        let page = inner.used.get_mut(&slot.offset)?;
        page.refs -= 1;
        let left = page.refs;
        let cached = page.cached;
        if left == 0 && cached.is_none() {
            inner.forget(slot.offset);
        }
        cached.filter(|_| left == 0)
    }

    /// The page that is in the swap cache for a place, with a reference for the caller.
    pub(crate) fn cached(&self, slot: SwapId, frames: &Frames) -> Option<Pfn> {
        let inner = self.inner.lock();
        let pfn = inner.used.get(&slot.offset)?.cached?;
        frames.get(pfn);
        Some(pfn)
    }

    /// Puts a page into the swap cache for a place in use, together with a reference to it. False if
    /// there is one, or the place has been given back.
    pub(crate) fn insert(&self, slot: SwapId, pfn: Pfn) -> bool {
        let mut inner = self.inner.lock();
        let Some(page) = inner.used.get_mut(&slot.offset) else {
            return false;
        };
        if page.cached.is_some() {
            return false;
        }
        page.cached = Some(pfn);
        inner.cached.insert(pfn, slot.offset);
        true
    }

    /// Takes pages that follow each other, a folio, out of the swap cache if they are there; places
    /// are given back if no entry refers to them. With `unneeded`, only if so for all. True if they
    /// were there; the cache's references are the caller's then.
    pub(crate) fn remove(&self, folio: &[Pfn], unneeded: bool) -> bool {
        let mut inner = self.inner.lock();
        let places: Option<Vec<u64>> = folio
            .iter()
            .map(|pfn| inner.cached.get(pfn).copied())
            .collect();
        let Some(places) = places else { return false };
        let needed = |offset| inner.used.get(offset).is_some_and(|page| page.refs != 0);
        if unneeded && places.iter().any(needed) {
            return false;
        }
        for (pfn, offset) in folio.iter().zip(places) {
            inner.cached.remove(pfn);
            let Some(page) = inner.used.get_mut(&offset) else {
                continue;
            };
            page.cached = None;
            if page.refs == 0 {
                inner.forget(offset);
            }
        }
        true
    }

    /// The pages in the swap cache, by frame number.
    pub(crate) fn cached_pages(&self) -> Vec<Pfn> {
        self.inner.lock().cached.keys().copied().collect()
    }

    /// Every place in use, ascending.
    pub fn used(&self) -> Vec<(SwapId, SwapPage)> {
        let inner = self.inner.lock();
        let used = inner.used.iter();
        used.map(|(&offset, &page)| (place(offset), page)).collect()
    }
}

impl Inner {
    /// Gives a place to a page, which is in the swap cache then. No entry refers to it yet.
    fn add(&mut self, offset: u64, pfn: Pfn) {
        let page = SwapPage {
            refs: 0,
            content: 0,
            zeroes: false,
            cached: Some(pfn),
        };
        self.used.insert(offset, page);
        self.cached.insert(pfn, offset);
    }

    /// Gives a place back.
    fn forget(&mut self, offset: u64) {
        self.used.remove(&offset);
        self.free.push(offset);
    }
}

const fn place(offset: u64) -> SwapId {
    SwapId {
        device: DEVICE,
        offset,
    }
}
