//! Shared memory in swap: what the page cache says of it, and how it comes back (`mm/shmem.c:
//! shmem_swapin_folio()`, `shmem_split_large_entry()`, 6.18).
//!
//! ```text
//!   a folio that was swapped out whole is one entry of the page cache
//!     still in the swap cache ───────────────▶ comes back whole
//!     the device answers at once ────────────▶ comes back whole, unless a page of it is in the swap
//!                                              cache, or a userfaultfd wants to hear of each page
//!     otherwise ─────────────────────────────▶ the page comes back alone, the entry is cut
//! ```

use std::ops::Range;

use sim_core::PAGE_SIZE;
use sim_pagetable::{FrameFlags, NoMemory, Pfn};

use super::{CachedPage, FileObject, FileState, Lookup};
use crate::folio::{NEW_SHMEM, REFAULTED};
use crate::shared::Shared;
use crate::swap::SwapId;

/// What the page cache says of a page that is in swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwappedPage {
    /// Its place.
    pub slot: SwapId,
    /// For how many pages the entry is that says so: a power of two. The first of them is at a
    /// multiple of it, and their places follow each other.
    pub pages: u64,
}

/// How much of what is in swap may come back for one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// All that was swapped out with it.
    Entry,
    /// The page alone, if it must be read.
    Page,
}

impl SwappedPage {
    /// A page that has an entry of its own.
    pub(crate) const fn alone(slot: SwapId) -> Self {
        Self { slot, pages: 1 }
    }

    /// The page offsets that the entry of the page at `index` is for.
    pub(crate) const fn entry(self, index: u64) -> Range<u64> {
        let first = index & !(self.pages - 1);
        first..first + self.pages
    }

    /// The first place of the entry of the page at `index`.
    pub(crate) const fn first_slot(self, index: u64) -> SwapId {
        SwapId {
            device: self.slot.device,
            offset: self.slot.offset - index % self.pages,
        }
    }
}

/// Brings a page of shared memory back from swap: to the page cache, which is where its only copy is
/// then. Nothing happens if it is no longer there.
///
/// # Errors
/// If RAM is used up.
pub(crate) fn bring_back(
    shared: &Shared,
    object: &FileObject,
    (index, swapped): (u64, SwappedPage),
    extent: Extent,
) -> Result<(), NoMemory> {
    let frames = &shared.frames;
    let pfn = match shared.swap.cached(swapped.slot, frames) {
        Some(pfn) => pfn,
        None => read(shared, (index, swapped), extent)?,
    };
    let head = frames.head(pfn);
    let (before, pages) = (pfn.get() - head.get(), frames.folio_pages(head));
    let mut state = object.lock();
    if state.lookup(index) != Lookup::Swapped(swapped) {
        drop(state);
        frames.put(head);
        return Ok(());
    }
    if pages < swapped.pages {
        cut_entry(&mut state, index);
    }
    // The caller's reference is the page cache's, which has one for each page.
    frames.get_many(head, pages as u32 - 1);
    for i in 0..pages {
        state.set(index - before + i, CachedPage::Present(head.add(i)));
    }
    drop(state);
    let first = SwapId {
        offset: swapped.slot.offset - before,
        ..swapped.slot
    };
    for i in 0..pages {
        let _ = shared.swap.release(first.add(i));
    }
    shared.free_swap(head);
    Ok(())
}

/// Reads a page, or all that was swapped out with it; which frame has the page.
fn read(
    shared: &Shared,
    (index, swapped): (u64, SwappedPage),
    extent: Extent,
) -> Result<Pfn, NoMemory> {
    let whole = swapped.pages > 1 && extent == Extent::Entry;
    if whole
        && shared.swap.device().is_synchronous()
        && let Some(head) = read_entry(shared, swapped.first_slot(index), swapped.pages)
    {
        return Ok(head.add(index % swapped.pages));
    }
    let content = shared.swap.get(swapped.slot).map_or(0, |page| page.content);
    let pfn = shared.read_swap(swapped.slot, content, NEW_SHMEM)?;
    shared.lru.add(&shared.frames, pfn);
    Ok(pfn)
}

/// Reads so many pages into a new folio, past the swap cache (`shmem_swap_alloc_folio()`). `None` if
/// one of them is in the swap cache, or there is no room.
fn read_entry(shared: &Shared, first: SwapId, pages: u64) -> Option<Pfn> {
    let page = |i| {
        let page = shared.swap.get(first.add(i))?;
        page.cached.is_none().then_some(page.content)
    };
    let contents = (0..pages).map(page).collect::<Option<Vec<u32>>>()?;
    let flags = NEW_SHMEM | REFAULTED | FrameFlags::DIRTY;
    let head = shared.frames.alloc_folio(pages, flags).ok()?;
    for (content, meta) in contents.into_iter().zip(shared.frames.metas(head, pages)) {
        meta.set_tag(content);
    }
    shared.lru.add_large(&shared.frames);
    Some(head)
}

/// Cuts the entry of a page until it has one of its own.
fn cut_entry(state: &mut FileState, index: u64) {
    while let Some(&CachedPage::Swapped(swapped)) = state.get(index)
        && let Some(pages) = pieces(swapped.pages)
    {
        for other in swapped.entry(index) {
            if let Some(&CachedPage::Swapped(page)) = state.get(other) {
                state.set(other, CachedPage::Swapped(SwappedPage { pages, ..page }));
            }
        }
    }
}

/// For how many pages the pieces are into which an entry is cut: as the nodes of the page cache's tree,
/// of 64 slots, allow it with one new node at most (`lib/xarray.c: xas_try_split_min_order()`).
const fn pieces(pages: u64) -> Option<u64> {
    match pages {
        0 | 1 => None,
        2..=32 => Some(1),
        64 => Some(32),
        _ => Some(64),
    }
}

/// Brings back what is in swap of the pages in which a range of bytes that is about to go begins and
/// ends, if an object of `size` bytes has them (`shmem_get_partial_folio()`). For want of memory they
/// stay where they are.
pub(super) fn bring_back_ends(shared: &Shared, object: &FileObject, range: &Range<u64>, size: u64) {
    for at in [range.start, range.end - 1] {
        let index = at / PAGE_SIZE;
        let found = object.lock().lookup(index);
        if let Lookup::Swapped(swapped) = found
            && index * PAGE_SIZE < size
        {
            let _ = bring_back(shared, object, (index, swapped), Extent::Entry);
        }
    }
}

/// Is there an entry for a page that is for pages before, too?
pub(super) fn is_inside_entry(state: &FileState, index: u64) -> bool {
    match state.get(index) {
        Some(CachedPage::Swapped(swapped)) => swapped.entry(index).start < index,
        Some(CachedPage::Present(_) | CachedPage::OnDisk(_)) | None => false,
    }
}

/// The entries that are in swap of some pages, ascending: for each the first of these pages that it is
/// for.
pub(crate) fn walk(
    state: &FileState,
    pages: Range<u64>,
) -> impl Iterator<Item = (u64, SwappedPage)> {
    let mut done = pages.start;
    let inside = state
        .pages_from(pages.start)
        .take_while(move |&(index, _)| index < pages.end);
    inside.filter_map(move |(index, page)| match page {
        CachedPage::Swapped(page) if index >= done => {
            done = page.entry(index).end;
            Some((index, page))
        }
        CachedPage::Swapped(_) | CachedPage::Present(_) | CachedPage::OnDisk(_) => None,
    })
}
