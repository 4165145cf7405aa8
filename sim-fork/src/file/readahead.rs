//! Reading files from disk on request (`mm/readahead.c: force_page_cache_ra()`, 6.18). What faults
//! read is in `fault/readahead.rs`.
//!
//! Only pages that reclaim, truncation or hole punching took away are ever read: all others are in
//! the page cache from the start.

use super::{CachedPage, FileObject, Lookup};
use crate::folio::{NEW_FILE, NEW_SHMEM};
use crate::shared::Shared;

/// Reads pages `[first, end)` of a disk file into the cache (`POSIX_FADV_WILLNEED`,
/// `MADV_WILLNEED`); where RAM is short, fewer.
pub(crate) fn will_need(shared: &Shared, object: &FileObject, (first, end): (u64, u64)) {
    let mut state = object.lock();
    let end = end.min(state.size_in_pages());
    for index in first..end {
        let content = match state.lookup(index) {
            Lookup::OnDisk(content) => content,
            Lookup::Hole => 0,
            Lookup::Present(_) | Lookup::Pristine(_) | Lookup::Swapped(_) | Lookup::Beyond => {
                continue;
            }
        };
        let Ok(pfn) = shared.frames.alloc(NEW_FILE) else {
            return;
        };
        shared.frames.meta(pfn).set_tag(content);
        state.set(index, CachedPage::Present(pfn));
        shared.lru.add(&shared.frames, pfn);
    }
}

/// Reads pages `[first, end)` of shared memory that are in swap into the swap cache
/// (`mm/madvise.c: shmem_swapin_range()`).
pub(crate) fn read_ahead_swap(shared: &Shared, object: &FileObject, (first, end): (u64, u64)) {
    let state = object.lock();
    let swapped = state
        .pages_from(first)
        .take_while(|&(index, _)| index < end);
    for (_, page) in swapped {
        match page {
            CachedPage::Swapped(slot) => shared.read_ahead_swap(slot, NEW_SHMEM),
            CachedPage::Present(_) | CachedPage::OnDisk(_) => {}
        }
    }
}
