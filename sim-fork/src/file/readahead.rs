//! Reading from swap on request. What is read from disk on request, or by faults, is in
//! `fault/readahead.rs`.

use super::{CachedPage, FileObject};
use crate::folio::NEW_SHMEM;
use crate::shared::Shared;

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
