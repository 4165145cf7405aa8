//! `ftruncate` and `fallocate(FALLOC_FL_PUNCH_HOLE)` (`mm/truncate.c`, `mm/shmem.c`,
//! `fs/ext4/inode.c: ext4_setattr()`, `ext4_punch_hole()`; 6.19).

use std::ops::Range;

use sim_core::store::VmaStore;
use sim_core::{BackendError, Bytes, Errno, FileId, MappedKind, Outcome, PAGE_SIZE};
use sim_pagetable::{Arch, FrameFlags, Frames, Pfn};

use super::{
    CachedPage, FileObject, FileState, Lookup, add_page, mappings, materialize, release, swapped,
};
use crate::error::FaultError;
use crate::folio::{self, NEW_FILE, REFAULTED};
use crate::machine::Machine;
use crate::pageops::ZapMode;
use crate::shared::Shared;

/// The largest size and offset that system calls take (`loff_t`).
const MAX_SIZE: u64 = i64::MAX as u64;
/// The largest size of a file on disk: ext4 has 2^32 - 1 blocks of 4 KiB for one (`s_maxbytes`).
const MAX_SIZE_ON_DISK: u64 = u32::MAX as u64 * PAGE_SIZE;

/// `ftruncate(2)`: pages beyond the new end go, private copies of them too; guards stay.
pub(crate) fn truncate<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileId,
    size: Bytes,
) -> Result<Outcome, BackendError> {
    let object = object(machine, file)?;
    if !is_plain(&object) || size.get() > MAX_SIZE {
        return Ok(Outcome::Errno(Errno::EINVAL));
    }
    if size.get() > largest(&object) {
        return Ok(Outcome::Errno(Errno::EFBIG));
    }
    let old = object.lock().size();
    if size.get() <= old {
        // A huge page of shared memory that reaches beyond the end does so until the end comes
        // nearer.
        let first = size.get().div_ceil(PAGE_SIZE);
        mappings::unmap(machine, object.file(), (first, u64::MAX), ZapMode::Discard);
        let cut = size.get()..u64::MAX;
        swapped::bring_back_ends(machine.shared(), &object, &cut, size.get());
        if swapped::is_inside_entry(&object.lock(), first) {
            // Linux looks for ever for what it has to drop there (mm/shmem.c: shmem_undo_range(), seen on
            // 6.18). DEVIATION: nothing is cut, on no kernel.
            return Ok(Outcome::Livelock);
        }
        split_ends(machine, &object, &cut);
        drop_pages(machine.shared(), &object, (first, u64::MAX), false);
    }
    object.lock().set_size(size.get());
    let partial = !size.get().is_multiple_of(PAGE_SIZE);
    if partial && size.get() <= old {
        clear_part(machine.shared(), &object, size.get() / PAGE_SIZE, false);
    }
    let grows_in_a_page = size.get() > old && !old.is_multiple_of(PAGE_SIZE);
    if grows_in_a_page && object.file().kind == MappedKind::Regular {
        // The disk file system clears what was beyond the old end (ext4_setattr()).
        clear_part(machine.shared(), &object, old / PAGE_SIZE, false);
    }
    Ok(Outcome::OK)
}

/// `fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)`: whole pages become holes, parts of pages
/// are zeroed; private copies and guards stay.
pub(crate) fn punch_hole<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileId,
    offset: u64,
    len: Bytes,
) -> Result<Outcome, BackendError> {
    let object = object(machine, file)?;
    Ok(punch(machine, &object, offset, len.get()).into())
}

/// Punches a hole.
///
/// # Errors
/// `EINVAL` for an empty or overflowing range, `EFBIG` beyond what a file can hold, `ENODEV` for a
/// device.
pub(crate) fn punch<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    object: &FileObject,
    offset: u64,
    len: u64,
) -> Result<(), Errno> {
    if offset > MAX_SIZE || len == 0 || len > MAX_SIZE {
        return Err(Errno::EINVAL);
    }
    if !is_plain(object) {
        return Err(Errno::ENODEV);
    }
    let end = offset.checked_add(len);
    let end = end.filter(|&end| end <= largest(object));
    let end = end.ok_or(Errno::EFBIG)?;
    let Some(end) = end_on_disk(object, offset, end) else {
        return Ok(());
    };
    let (first, last) = (offset.div_ceil(PAGE_SIZE), end / PAGE_SIZE);
    if let Some(pages) = unmapped_by_hole(first, last) {
        mappings::unmap(machine, object.file(), pages, ZapMode::ObjectPages);
    }
    let size = object.lock().size();
    swapped::bring_back_ends(machine.shared(), object, &(offset..end), size);
    split_ends(machine, object, &(offset..end));
    if first < last {
        drop_pages(machine.shared(), object, (first, last), true);
    }
    if !offset.is_multiple_of(PAGE_SIZE) {
        clear_part(machine.shared(), object, offset / PAGE_SIZE, false);
    }
    if !end.is_multiple_of(PAGE_SIZE) && last >= offset / PAGE_SIZE {
        let from_its_start = last * PAGE_SIZE >= offset;
        clear_part(machine.shared(), object, last, from_its_start);
    }
    Ok(())
}

/// Where a hole ends. On disk nothing is beyond the end of the file: one that goes beyond it takes all of
/// the last page, one that begins there is none.
fn end_on_disk(object: &FileObject, offset: u64, end: u64) -> Option<u64> {
    match object.file().kind {
        MappedKind::Regular => {
            let state = object.lock();
            let all = state.size_in_pages() * PAGE_SIZE;
            let end = if end > state.size() { all } else { end };
            (offset < state.size()).then_some(end)
        }
        MappedKind::Memfd | MappedKind::DevZero | MappedKind::Pfnmap | MappedKind::Mixedmap => {
            Some(end)
        }
    }
}

/// Which pages a hole unmaps that covers pages `[first, last)` whole. One that ends within the first
/// page of a file covers none and unmaps all: its last byte is calculated as -1
/// (`mm/truncate.c: truncate_pagecache_range()`, `mm/shmem.c: shmem_fallocate()`).
const fn unmapped_by_hole(first: u64, last: u64) -> Option<(u64, u64)> {
    match last {
        0 => Some((first, u64::MAX)),
        _ if first < last => Some((first, last)),
        _ => None,
    }
}

fn object<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileId,
) -> Result<std::sync::Arc<FileObject>, BackendError> {
    let found = machine.shared().files.get(file);
    found.ok_or_else(|| BackendError::Broken(format!("there is no file {}", file.0)))
}

/// Is it a file or shared memory, not a device?
fn is_plain(object: &FileObject) -> bool {
    match object.file().kind {
        MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => true,
        MappedKind::Pfnmap | MappedKind::Mixedmap => false,
    }
}

/// The largest size that an object may be given.
fn largest(object: &FileObject) -> u64 {
    match object.file().kind {
        MappedKind::Regular => MAX_SIZE_ON_DISK,
        MappedKind::Memfd | MappedKind::DevZero | MappedKind::Pfnmap | MappedKind::Mixedmap => {
            MAX_SIZE
        }
    }
}

/// Takes pages out of the cache; what is left there is a hole.
fn drop_pages(shared: &Shared, object: &FileObject, (first, end): (u64, u64), punched: bool) {
    let mut state = object.lock();
    let cached: Vec<_> = state
        .pages_from(first)
        .take_while(|&(index, _)| index < end)
        .collect();
    let inside = first..end.min(state.size_in_pages());
    if state.caches_any(inside.clone()) {
        // mm/swap.c: __folio_batch_release()
        shared.drain_lru();
    }
    state.forget_begun(&(first..end));
    for (index, page) in cached {
        state.take(index);
        release_part(shared, page);
    }
    if punched {
        state.punch(inside);
    }
}

/// Splits large folios of which a range of bytes that is about to go has a part: a folio is halved
/// until the first page that goes is alone, and what is left around the end of the range the same way
/// (`mm/truncate.c: truncate_inode_partial_folio()`, 6.18).
fn split_ends<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    object: &FileObject,
    range: &Range<u64>,
) {
    let frames = &machine.shared().frames;
    for at in [range.start, range.end - 1] {
        let page = at / PAGE_SIZE;
        let found = object.lock().cached(page);
        let Some(pfn) = found.filter(|&pfn| frames.is_large(pfn)) else {
            continue;
        };
        let folio = bytes_of(frames, page, pfn);
        if range.start <= folio.start && folio.end <= range.end {
            continue;
        }
        if object.file().is_shmem() {
            folio::mark_dirty(frames, pfn);
        }
        split_around(machine, object, range.start.max(folio.start) / PAGE_SIZE);
        if range.end < folio.end {
            split_around(machine, object, range.end / PAGE_SIZE);
        }
    }
}

/// Where in its object the folio of a page is.
fn bytes_of(frames: &Frames, page: u64, pfn: Pfn) -> Range<u64> {
    let first = page - (pfn.get() - frames.head(pfn).get());
    first * PAGE_SIZE..(first + frames.folio_pages(pfn)) * PAGE_SIZE
}

/// Halves the folio of a page, if it is a large one, until the page is alone. Nobody maps its pages
/// then.
fn split_around<A: Arch, S: VmaStore>(machine: &Machine<A, S>, object: &FileObject, page: u64) {
    let frames = &machine.shared().frames;
    let found = object.lock().cached(page);
    let Some(pfn) = found.filter(|&pfn| frames.is_large(pfn)) else {
        return;
    };
    let folio = bytes_of(frames, page, pfn);
    let pages = (folio.start / PAGE_SIZE, folio.end / PAGE_SIZE);
    mappings::unmap(machine, object.file(), pages, ZapMode::Reclaim);
    frames.split_folio_around(pfn, 1);
}

/// A page of a huge folio cannot leave the cache alone: the folio is split first.
fn release_part(shared: &Shared, page: CachedPage) {
    if let CachedPage::Present(pfn) = page
        && shared.frames.is_large(pfn)
    {
        let head = shared.frames.head(pfn);
        shared.frames.split_folio(head, 1);
    }
    release(shared, page);
}

/// Zeroes a part of a page: its beginning, or what comes after. A page that the disk has comes into
/// the page cache for it.
fn clear_part(shared: &Shared, object: &FileObject, index: u64, from_its_start: bool) {
    let mut state = object.lock();
    let pfn = match state.lookup(index) {
        Lookup::Present(pfn) => Ok(pfn),
        Lookup::Pristine(content) => materialize(shared, object, &mut state, index, content),
        Lookup::OnDisk(content) => read(shared, &mut state, index, content),
        Lookup::Hole => {
            state.begin(index);
            return;
        }
        Lookup::Swapped(_) | Lookup::Beyond => return,
    };
    let Ok(pfn) = pfn else {
        return;
    };
    let meta = shared.frames.meta(pfn);
    let on_disk = object.file().kind == MappedKind::Regular;
    if on_disk {
        // fs/ext4/inode.c: __ext4_block_zero_page_range() looks it up with FGP_ACCESSED.
        folio::mark_accessed(shared, pfn);
    }
    if on_disk && state.is_hole(index) && !meta.has(FrameFlags::DIRTY) {
        // There is no block to zero.
        return;
    }
    if from_its_start {
        meta.set_tag(meta.tag() & !0xff);
    }
    folio::mark_dirty(&shared.frames, pfn);
}

/// Reads one page from the disk.
fn read(
    shared: &Shared,
    state: &mut FileState,
    index: u64,
    content: u32,
) -> Result<Pfn, FaultError> {
    let pfn = shared.frames.alloc(NEW_FILE | REFAULTED)?;
    add_page(shared, state, index, (pfn, content));
    Ok(pfn)
}

/// Punches a hole into what a part of a VMA maps (`MADV_REMOVE`).
pub(crate) fn punch_mapped<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileId,
    (first, pages): (u64, u64),
) -> Result<(), Errno> {
    let object = machine.shared().files.get(file).ok_or(Errno::EINVAL)?;
    let bytes = |pages: u64| pages.checked_mul(PAGE_SIZE).ok_or(Errno::EFBIG);
    punch(machine, &object, bytes(first)?, bytes(pages)?)
}
