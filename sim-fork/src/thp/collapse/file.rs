//! Collapsing pages of an object (`mm/khugepaged.c: hpage_collapse_scan_file()`,
//! `collapse_file()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{FileRef, PMD_PAGES, ScanResult, VmFlags};
use sim_pagetable::{Arch, FrameFlags, HUGE_PAGES, Pfn};

use super::{By, has_uffd, retract};
use crate::fault::load_page;
use crate::file::{self, CachedPage, FileObject, Lookup, for_each_mapping};
use crate::folio::{NEW_FILE, NEW_SHMEM};
use crate::machine::Machine;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::shared::Shared;

/// Looks at the object's pages from `first` on, and collapses them if that is worth it. Page tables
/// are not looked at.
pub(super) fn scan<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pager: &Pager<'_, A>,
    (file, first): (FileRef, u64),
    by: By,
) -> ScanResult {
    let shared = machine.shared();
    let Some(object) = shared.files.get(file.id) else {
        return ScanResult::Fail;
    };
    match count(shared, &object, first, by) {
        Ok(()) => collapse(machine, pager, (&object, first), by),
        Err(result) => result,
    }
}

fn count(shared: &Shared, object: &FileObject, first: u64, by: By) -> Result<(), ScanResult> {
    let thp = &shared.setup.thp;
    let state = object.lock();
    let (mut present, mut swapped) = (0, 0);
    for index in first..first + PMD_PAGES {
        match lookup(object, &state, index) {
            Lookup::Swapped(_) => {
                swapped += 1;
                if by.exceeds(swapped, thp.max_ptes_swap) {
                    return Err(ScanResult::ExceedSwapPte);
                }
            }
            Lookup::Present(pfn) => {
                let frames = &shared.frames;
                if frames.is_huge(pfn) {
                    return Err(ScanResult::PteMappedHugepage);
                }
                let cached = frames.folio_pages(pfn) as u32;
                if frames.refs(pfn) != cached + frames.folio_mapcount(pfn) {
                    return Err(ScanResult::PageCount);
                }
                present += 1;
            }
            Lookup::Pristine(_) => present += 1,
            Lookup::OnDisk(_) | Lookup::Hole | Lookup::Beyond => {}
        }
    }
    let missing = PMD_PAGES as u32 - present;
    if by.exceeds(missing, thp.max_ptes_none) {
        return Err(ScanResult::ExceedNonePte);
    }
    Ok(())
}

/// Of shared memory, what lies beyond the end counts as a hole.
fn lookup(object: &FileObject, state: &file::FileState, index: u64) -> Lookup {
    match state.lookup(index) {
        Lookup::Beyond if object.file().is_shmem() => Lookup::Hole,
        found => found,
    }
}

fn collapse<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pager: &Pager<'_, A>,
    (object, first): (&FileObject, u64),
    by: By,
) -> ScanResult {
    let shared = machine.shared();
    let flags = if object.file().is_shmem() {
        NEW_SHMEM | FrameFlags::DIRTY
    } else {
        NEW_FILE
    };
    let Ok(head) = shared.frames.alloc_huge(flags) else {
        return ScanResult::AllocHugePageFail;
    };
    match fill(machine, pager, (object, first), head) {
        Ok(()) => {
            retract::retract(machine, object.file(), first);
            match by {
                By::Khugepaged => ScanResult::Succeed,
                By::Advice => ScanResult::PteMappedHugepage,
            }
        }
        Err(result) => {
            shared.frames.put(head);
            result
        }
    }
}

/// A dirty page of a file is in the way. That Linux starts to write the file back, without waiting,
/// means here that it is written.
fn dirty<A: Arch, S: VmaStore>(machine: &Machine<A, S>, object: &FileObject) -> ScanResult {
    if machine.shared().features().collapse_writes_back {
        return ScanResult::PageDirtyOrWriteback;
    }
    file::write_back(machine, object.file(), 0, u64::MAX);
    ScanResult::Fail
}

/// Unmaps the old pages everywhere, copies them, and puts the huge page in their place.
fn fill<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    pager: &Pager<'_, A>,
    (object, first): (&FileObject, u64),
    head: Pfn,
) -> Result<(), ScanResult> {
    let shared = machine.shared();
    let (pages, failure) = gather(pager, object, first);
    let end = first + pages.len() as u64;
    let mode = ZapMode::Reclaim;
    for_each_mapping(machine, object.file(), (first, end), |pager, vma, part| {
        pager.zap(vma, part, mode);
    });
    match failure {
        Some(ScanResult::PageDirtyOrWriteback) => return Err(dirty(machine, object)),
        Some(result) => return Err(result),
        None => {}
    }
    if pages.contains(&None) && somebody_waits(machine, object.file(), first) {
        return Err(ScanResult::ExceedNonePte);
    }
    let frames = &shared.frames;
    let mut state = object.lock();
    for (content, i) in pages.iter().zip(0..) {
        let page = head.add(i);
        frames.meta(page).set_tag(content.unwrap_or_default());
        if let Some(old) = state.set(first + i, CachedPage::Present(page)) {
            file::release(shared, old);
        }
    }
    frames.get_many(head, HUGE_PAGES as u32 - 1);
    Ok(())
}

/// The contents of the pages, `None` for holes, up to the first page that cannot be collapsed.
fn gather<A: Arch>(
    pager: &Pager<'_, A>,
    object: &FileObject,
    first: u64,
) -> (Vec<Option<u32>>, Option<ScanResult>) {
    let mut pages = Vec::with_capacity(HUGE_PAGES as usize);
    for index in first..first + PMD_PAGES {
        match page(pager, object, first, index) {
            Ok(content) => pages.push(content),
            Err(result) => return (pages, Some(result)),
        }
    }
    (pages, None)
}

fn page<A: Arch>(
    pager: &Pager<'_, A>,
    object: &FileObject,
    first: u64,
    index: u64,
) -> Result<Option<u32>, ScanResult> {
    let is_shmem = object.file().is_shmem();
    let found = lookup(object, &object.lock(), index);
    let pfn = match found {
        Lookup::Pristine(content) => return Ok(Some(content)),
        Lookup::Hole if is_shmem => {
            if index == first && is_empty(object, first) {
                return Err(ScanResult::Truncated);
            }
            return Ok(None);
        }
        Lookup::Present(pfn) => pfn,
        Lookup::Swapped(_) | Lookup::Hole | Lookup::OnDisk(_) => {
            let pfn = load_page(pager, object, index).map_err(|_| ScanResult::Fail)?;
            if pager.frames().is_huge(pfn) {
                // It came back from swap as it went.
                return Err(ScanResult::PteMappedHugepage);
            }
            pfn
        }
        Lookup::Beyond => return Err(ScanResult::Fail),
    };
    let meta = pager.frames().meta(pfn);
    if !is_shmem && meta.has(FrameFlags::DIRTY) {
        return Err(ScanResult::PageDirtyOrWriteback);
    }
    Ok(Some(meta.tag()))
}

/// Has the object nothing at all in the block?
fn is_empty(object: &FileObject, first: u64) -> bool {
    let state = object.lock();
    (first..first + PMD_PAGES).all(|index| lookup(object, &state, index) == Lookup::Hole)
}

/// Does a userfaultfd want to hear of missing pages of the block, or of the page right behind it? Linux's
/// search among mappings has its last page inside.
fn somebody_waits<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    file: FileRef,
    first: u64,
) -> bool {
    let mut waits = false;
    let searched = (first, first + PMD_PAGES + 1);
    for_each_mapping(machine, file, searched, |_, vma, _| {
        waits |= has_uffd(vma, VmFlags::UFFD_MISSING);
    });
    waits
}
