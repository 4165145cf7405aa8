//! Reading from swap on request. What is read from disk on request, or by faults, is in
//! `fault/readahead.rs`.

use super::FileObject;
use super::swapped::{self, Found, NODE};
use crate::folio::NEW_SHMEM;
use crate::shared::Shared;

/// Reads pages `[first, end)` of shared memory that are in swap into the swap cache
/// (`mm/madvise.c: shmem_swapin_range()`). Of what was swapped out whole that is the first page,
/// wherever `first` is.
pub(crate) fn read_ahead_swap(shared: &Shared, object: &FileObject, (first, end): (u64, u64)) {
    let state = object.lock();
    let mut from = first;
    while let Some(found) = swapped::walk(&shared.frames, &state, from..end).next() {
        shared.read_ahead_swap(found.page.first_slot(found.index), NEW_SHMEM);
        from = after(found);
    }
}

/// Where Linux goes on: behind the entry, if it came to its beginning; else as far behind that as it
/// came behind the beginning of the node's slot (`lib/xarray.c: xas_pause()`).
const fn after(found: Found) -> u64 {
    let pages = found.page.pages;
    let slot = if pages < NODE { 1 } else { NODE };
    found.position / slot * slot + pages
}
