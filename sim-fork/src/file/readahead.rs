//! Reading files from disk: which pages come with the one that is wanted (`mm/filemap.c:
//! do_sync_mmap_readahead()`, `do_async_mmap_readahead()`, `mm/readahead.c`, 6.18).
//!
//! Only pages that reclaim, truncation or hole punching took away are ever read: all others are in
//! the page cache from the start.

use sim_core::VmFlags;
use sim_pagetable::FrameFlags;

use super::{CachedPage, FileObject, FileState, Lookup};
use crate::folio::NEW_FILE;
use crate::shared::Shared;

/// Pages that are read around a fault (`ra_pages`: `read_ahead_kb` of the disk, here 8 MiB as disks of
/// virtual machines have it; the kernel's own default is 128 KiB).
const WINDOW: u64 = 2048;

/// So many of them lie before the fault.
const BEFORE: u64 = WINDOW / 2;

/// So many pages before the end of what is read lies the page whose fault reads on.
const ASYNC: u64 = WINDOW / 4;

/// Reads what a fault at `index`, whose page is not in the cache, brings in beside that page.
pub(crate) fn around_fault(shared: &Shared, object: &FileObject, index: u64, flags: VmFlags) {
    if flags.contains(VmFlags::RAND_READ) {
        return;
    }
    let start = if flags.contains(VmFlags::SEQ_READ) {
        index
    } else {
        index.saturating_sub(BEFORE)
    };
    let mut state = object.lock();
    let end = (start + WINDOW).min(state.size_in_pages());
    let mark = end.checked_sub(ASYNC).filter(|&mark| mark >= start);
    read(shared, &mut state, (start, end), mark);
}

/// A page that asks for it was reached: reads the window after it.
pub(crate) fn after_mark(shared: &Shared, object: &FileObject, index: u64) {
    let mut state = object.lock();
    let start = index + ASYNC;
    let end = (start + WINDOW).min(state.size_in_pages());
    let mark = (start < end).then_some(start);
    read(shared, &mut state, (start, end), mark);
}

/// `POSIX_FADV_WILLNEED`, `MADV_WILLNEED`: reads pages `[first, end)`.
pub(crate) fn will_need(shared: &Shared, object: &FileObject, (first, end): (u64, u64)) {
    let mut state = object.lock();
    let end = end.min(state.size_in_pages());
    read(shared, &mut state, (first, end), None);
}

/// Brings pages into the cache; where RAM is short, fewer. A page that was there already is not
/// marked.
fn read(shared: &Shared, state: &mut FileState, (first, end): (u64, u64), mark: Option<u64>) {
    for index in first..end {
        let content = match state.lookup(index) {
            Lookup::OnDisk(content) => content,
            Lookup::Hole => 0,
            Lookup::Present(_) | Lookup::Pristine(_) | Lookup::Swapped(_) | Lookup::Beyond => {
                continue;
            }
        };
        let marked = if mark == Some(index) {
            FrameFlags::READAHEAD
        } else {
            FrameFlags::empty()
        };
        let Ok(pfn) = shared.frames.alloc(NEW_FILE | marked) else {
            return;
        };
        shared.frames.meta(pfn).set_tag(content);
        state.set(index, CachedPage::Present(pfn));
    }
}
