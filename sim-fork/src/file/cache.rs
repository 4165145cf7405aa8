//! Pages of objects: bringing them into being, and letting them go.

use sim_core::FileRef;
use sim_pagetable::Pfn;

use super::{CachedPage, FileObject, FileState};
use crate::error::FaultError;
use crate::folio::{NEW_FILE, NEW_SHMEM};
use crate::shared::Shared;

/// Gives a frame to a page that is in the page cache since the set-up. Linux allocated it long
/// ago, so that nothing can be made to fail here.
///
/// # Errors
/// If RAM is used up.
pub(crate) fn materialize(
    shared: &Shared,
    object: &FileObject,
    state: &mut FileState,
    index: u64,
    content: u32,
) -> Result<Pfn, FaultError> {
    use sim_pagetable::FrameFlags;
    let flags = if object.file().is_shmem() {
        // It was written to make it.
        NEW_SHMEM | FrameFlags::DIRTY | FrameFlags::REFERENCED
    } else {
        NEW_FILE
    };
    let pfn = shared.without_failures(|| shared.frames.alloc(flags))?;
    shared.frames.meta(pfn).set_tag(content);
    state.set(index, CachedPage::Present(pfn));
    Ok(pfn)
}

/// Puts a new page with this content into a page cache (`mm/filemap.c: filemap_add_folio()`).
pub(crate) fn add_page(shared: &Shared, state: &mut FileState, index: u64, page: (Pfn, u32)) {
    let (pfn, content) = page;
    shared.frames.meta(pfn).set_tag(content);
    state.set(index, CachedPage::Present(pfn));
    shared.lru.add(&shared.frames, pfn);
}

/// One more VMA maps an object.
pub(crate) fn link(shared: &Shared, file: FileRef) {
    if let Some(object) = shared.files.get(file.id) {
        object.link();
    }
}

/// One VMA less maps an object. Shared anonymous memory goes with the last one.
pub(crate) fn unlink(shared: &Shared, file: FileRef) {
    let Some(object) = shared.files.get(file.id) else {
        return;
    };
    if object.unlink() == 0 && file.kind == sim_core::MappedKind::DevZero {
        shared.files.remove(file.id);
        let mut state = object.lock();
        let pages: Vec<_> = state.pages().collect();
        let present = |(_, page): &(u64, CachedPage)| matches!(page, CachedPage::Present(_));
        if pages.iter().any(present) {
            shared.drain_lru();
        }
        for (index, page) in pages {
            state.take(index);
            release(shared, page);
        }
    }
}

/// Drops what a cache held at an offset.
pub(crate) fn release(shared: &Shared, page: CachedPage) {
    match page {
        CachedPage::Present(pfn) => {
            shared.frames.put(pfn);
        }
        CachedPage::Swapped(swapped) => shared.free_swap_and_cache(swapped.slot),
        CachedPage::OnDisk(_) => {}
    }
}
