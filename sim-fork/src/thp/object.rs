//! Mapping huge pages of files and shared memory (`mm/memory.c: do_set_pmd()`, `finish_fault()`,
//! `mm/filemap.c: filemap_map_pages()`, 6.19).

use sim_core::{Bytes, PageRange, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, HUGE_PAGES, Leaf, Pfn, Va, VaRange};

use crate::error::FaultError;
use crate::fault::Fault;
use crate::file::FileObject;
use crate::folio;
use crate::pager::Pager;
use crate::thp::eligible;
use crate::va::{addr, va, va_range};

/// Maps the huge page that `pfn` is part of, if the block is empty and can have it. A read maps it
/// as the VMA says, a write makes it dirty. True if it is mapped now.
///
/// # Errors
/// If there is no memory for tables above.
pub(crate) fn map<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    (pfn, write): (Pfn, bool),
) -> Result<bool, FaultError> {
    let frames = pager.frames();
    let block = at.pmd_down();
    let wanted = frames.is_huge(pfn)
        && !vma.flags().contains(VmFlags::NOHUGEPAGE)
        && eligible::is_suitable(vma, block);
    if !wanted {
        return Ok(false);
    }
    let slot = pager.tables().pmd_alloc(va(block))?;
    if !slot.is_none() {
        return Ok(false);
    }
    let head = frames.head(pfn);
    let mut entry = Entry::huge(head, pager.page_prot(vma));
    if write {
        entry = entry.mk_dirty();
        if vma.flags().contains(VmFlags::WRITE) {
            entry = entry.mk_write();
        }
    }
    frames.get(head);
    frames.map_huge(head, pager.sharer());
    let kind = folio::rss_kind(frames, head);
    pager.rss().add(kind, HUGE_PAGES as i64);
    slot.install_huge(entry, None);
    Ok(true)
}

/// Maps the huge page that begins the window of a read fault (`filemap_map_pmd()`). True if it did.
///
/// # Errors
/// If there is no memory for tables above.
pub(crate) fn map_cached<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    object: &FileObject,
    (at, pfn): (Va, Pfn),
) -> Result<bool, FaultError> {
    if !may_reach_end(pager, fault.vma, object, (at, pfn)) {
        return Ok(false);
    }
    map(pager, fault.vma, addr(at), (pfn, false))
}

/// The addresses at which the whole large folio of a page near a fault would be mapped by single
/// entries, and its first frame; `None` if there is none, or it sticks out of the VMA or of the PTE
/// table.
pub(crate) fn whole_folio<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    object: &FileObject,
    (at, pfn): (Va, Pfn),
) -> Option<(VaRange, Pfn)> {
    let frames = pager.frames();
    if !frames.is_large(pfn) {
        return None;
    }
    let head = frames.head(pfn);
    let before = Bytes::from_pages(pfn.get() - head.get());
    let size = Bytes::from_pages(frames.folio_pages(head));
    let at_least = fault.vma.start().max(addr(at).pmd_down());
    let start = addr(at).checked_sub(before).filter(|&at| at >= at_least)?;
    let whole = PageRange::new(start, start + size);
    let same_table = (whole.end() - Bytes(1)).pmd_down() == start.pmd_down();
    let fits = same_table && fault.vma.range().contains_range(whole);
    let fits = fits && may_reach_end(pager, fault.vma, object, (at, pfn));
    fits.then(|| (va_range(whole), head))
}

/// May the folio be mapped whole though the object may end inside it? That of shared memory may.
fn may_reach_end<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    object: &FileObject,
    (at, pfn): (Va, Pfn),
) -> bool {
    if object.file().is_shmem() {
        return true;
    }
    let index = vma.pgoff_of(addr(at)).get();
    let first = index - (pfn.get() - pager.frames().head(pfn).get());
    first + pager.frames().folio_pages(pfn) <= object.lock().size_in_pages()
}

/// Maps every page of a folio by an entry of its own, made by `entry`, if all entries are empty.
/// True if it did (`set_pte_range()`).
pub(crate) fn map_pages<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    (range, head): (VaRange, Pfn),
    entry: impl Fn(Pfn) -> Entry<A>,
) -> bool {
    let at = va(fault.addr);
    let Leaf::Table(table) = pager.tables().leaf(at) else {
        return false;
    };
    if !table.slots(range).all(|slot| slot.get().is_none()) {
        return false;
    }
    for (slot, i) in table.slots(range).zip(0..) {
        let page = head.add(i);
        pager.frames().get(page);
        pager.account_map(fault.vma, page);
        let old = pager.prefaults_old() && slot.va() != at;
        let new = entry(page);
        slot.set(if old { new.mk_old() } else { new });
    }
    true
}
