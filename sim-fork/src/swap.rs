//! Swap: which places are taken, how often, and by what.

use std::collections::BTreeMap;

use sim_pagetable::{HUGE_PAGES, Pfn, SwapSlot};
use sim_sync::{Mutex, class};

/// A place in swap.
pub type SwapId = SwapSlot;

/// The one swap device there is.
const DEVICE: u8 = 0;

/// One place in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwapPage {
    /// Entries that refer to it: page tables and page caches.
    pub refs: u32,
    /// What it contains.
    pub content: u32,
    /// The frame that holds the same page (the swap cache).
    pub cached: Option<Pfn>,
}

/// The swap area.
#[derive(Debug)]
pub struct Swap {
    pages: u64,
    inner: Mutex<Inner, class::Swap>,
}

#[derive(Debug, Default)]
struct Inner {
    used: BTreeMap<u64, SwapPage>,
    /// Places given back, last one on top.
    free: Vec<u64>,
    /// The first place never used.
    fresh: u64,
}

impl Swap {
    /// An area of so many pages. Place 0 holds the header.
    pub(crate) fn new(pages: u64) -> Self {
        Self {
            pages,
            inner: Mutex::new(Inner {
                fresh: 1,
                ..Inner::default()
            }),
        }
    }

    /// Takes a place for a page, with `refs` references; `None` when full.
    pub fn alloc(&self, content: u32, refs: u32) -> Option<SwapId> {
        let mut inner = self.inner.lock();
        if inner.used.len() as u64 >= self.pages {
            return None;
        }
        let offset = inner.free.pop().unwrap_or(inner.fresh);
        inner.fresh = inner.fresh.max(offset + 1);
        let page = SwapPage {
            refs,
            content,
            cached: None,
        };
        inner.used.insert(offset, page);
        Some(SwapId {
            device: DEVICE,
            offset,
        })
    }

    /// Takes places for a huge page, one after the other and aligned, each with a reference;
    /// `None` if there are not so many left. What they contain is [filled in](Self::fill) later.
    pub(crate) fn alloc_huge(&self) -> Option<SwapId> {
        let mut inner = self.inner.lock();
        let places = |first: u64| first..first + HUGE_PAGES;
        let first = (HUGE_PAGES..self.pages)
            .step_by(HUGE_PAGES as usize)
            .take_while(|&first| first + HUGE_PAGES <= self.pages)
            .find(|&first| inner.used.range(places(first)).next().is_none())?;
        inner.free.retain(|offset| !places(first).contains(offset));
        if first + HUGE_PAGES > inner.fresh {
            let skipped = inner.fresh..first;
            inner.free.splice(0..0, skipped.rev());
            inner.fresh = first + HUGE_PAGES;
        }
        for offset in first..first + HUGE_PAGES {
            let page = SwapPage {
                refs: 1,
                content: 0,
                cached: None,
            };
            inner.used.insert(offset, page);
        }
        Some(SwapId {
            device: DEVICE,
            offset: first,
        })
    }

    /// Writes a place in use.
    pub(crate) fn fill(&self, slot: SwapId, content: u32) {
        if let Some(page) = self.inner.lock().used.get_mut(&slot.offset) {
            page.content = content;
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

    /// One reference less (`swap_free()`); the frame of the swap cache, if the place is free now
    /// and had one: the caller drops the cache's reference.
    #[must_use = "a cached frame must lose the cache's reference"]
    pub fn release(&self, slot: SwapId) -> Option<Pfn> {
        let mut inner = self.inner.lock();
        let page = inner.used.get_mut(&slot.offset)?;
        page.refs -= 1;
        if page.refs != 0 {
            return None;
        }
        let cached = page.cached;
        inner.used.remove(&slot.offset);
        inner.free.push(slot.offset);
        cached
    }

    /// Puts a frame into the swap cache, or takes it out.
    pub fn set_cached(&self, slot: SwapId, frame: Option<Pfn>) {
        if let Some(page) = self.inner.lock().used.get_mut(&slot.offset) {
            page.cached = frame;
        }
    }

    /// Every place in use, ascending.
    pub fn used(&self) -> Vec<(SwapId, SwapPage)> {
        let inner = self.inner.lock();
        let place = |&offset: &u64| SwapId {
            device: DEVICE,
            offset,
        };
        inner
            .used
            .iter()
            .map(|(o, &page)| (place(o), page))
            .collect()
    }
}
