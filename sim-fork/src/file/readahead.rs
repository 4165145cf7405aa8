//! Reading from swap on request. What is read from disk on request, or by faults, is in
//! `fault/readahead.rs`.

use super::{FileObject, swapped};
use crate::folio::NEW_SHMEM;
use crate::shared::Shared;

/// Slots of a node of the page cache's tree (`XA_CHUNK_SIZE`).
const NODE: u64 = 64;

/// Reads pages `[first, end)` of shared memory that are in swap into the swap cache
/// (`mm/madvise.c: shmem_swapin_range()`). Of what was swapped out whole that is the first page,
/// wherever `first` is.
pub(crate) fn read_ahead_swap(shared: &Shared, object: &FileObject, (first, end): (u64, u64)) {
    let state = object.lock();
    let mut from = first;
    while let Some((index, page)) = swapped::walk(&state, from..end).next() {
        shared.read_ahead_swap(page.first_slot(index), NEW_SHMEM);
        from = after(index, page.pages);
    }
}

/// Where Linux goes on that has come to an entry of so many pages at `index`. If that is its beginning,
/// behind it; else as much farther as `index` is behind the beginning of the entry's first slot of a
/// node (`lib/xarray.c: xas_pause()`).
const fn after(index: u64, pages: u64) -> u64 {
    let slot = if pages < NODE { 1 } else { NODE };
    index / slot * slot + pages
}
