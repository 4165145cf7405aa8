//! Collapsing anonymous memory (`mm/khugepaged.c: collapse_huge_page()`, 6.19).

use sim_sync::prim::atomic::{AtomicU64, Ordering::Relaxed};

use sim_core::store::VmaStore;
use sim_core::{Mm, ScanResult, VirtAddr, Vma};
use sim_pagetable::{Arch, Entry, EntryView, HUGE_PAGES, Pfn};

use super::scan::{Found, entries_of, is_zero};
use super::{By, range_of, require_table, revalidate};
use crate::fault::{Fault, FaultKind};
use crate::folio::NEW_ANON;
use crate::pager::{Pager, Seen};
use crate::rss::RssKind;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::thp::fault::install_anon;
use crate::va::{addr, va, va_range};

/// Replaces the pages of a block, which was scanned, by a huge page.
pub(super) fn collapse<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    at: VirtAddr,
    (by, found): (By, Found),
) -> ScanResult {
    let pager = Pager::new(shared, &space.pages);
    let Ok(head) = shared.frames.alloc_huge(NEW_ANON) else {
        return ScanResult::AllocHugePageFail;
    };
    let swapped_in = if found.unmapped > 0 {
        swap_in(&pager, &space.read(), at, by)
    } else {
        Ok(())
    };
    if found.unmapped > 0 {
        shared.drain_lru();
    }
    let replaced = swapped_in.and_then(|()| replace(&pager, &mut space.write(), (at, head), by));
    match replaced {
        Ok(()) => ScanResult::Succeed,
        Err(result) => {
            shared.frames.put(head);
            result
        }
    }
}

/// Brings back what is in swap; fails at a marker, and where a disk must be waited for
/// (`__collapse_huge_page_swapin()`).
fn swap_in<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &Mm<S>,
    at: VirtAddr,
    by: By,
) -> Result<(), ScanResult> {
    let id = revalidate(pager.shared, mm, at, by)?;
    for page in va_range(range_of(at)).page_addresses() {
        let Seen::Pte(entry) = pager.seen(page) else {
            return Err(ScanResult::NoPteTable);
        };
        if entry.is_none() || entry.is_present() {
            continue;
        }
        if let EntryView::Swap(swapped) = entry.view()
            && pager.begin_to_read(swapped.slot)
        {
            return Err(ScanResult::PageLock);
        }
        let fault = Fault {
            vma: mm.vma(id),
            addr: addr(page),
            kind: FaultKind::Read,
            prepare: &|| mm.anon_vma_prepare(id),
        };
        pager.handle_fault(&fault).map_err(|_| ScanResult::Fail)?;
    }
    Ok(())
}

/// With mmap_lock held for writing: the huge page takes the place of the PTE table, which is kept
/// for the day it is split.
fn replace<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &mut Mm<S>,
    (at, head): (VirtAddr, Pfn),
    by: By,
) -> Result<(), ScanResult> {
    let id = revalidate(pager.shared, mm, at, by)?;
    mm.start_write(id);
    let vma = mm.vma(id);
    if !vma.is_anon() {
        return Err(ScanResult::PageAnon);
    }
    require_table(pager, at)?;
    let Some(slot) = pager.tables().pmd(va(at)) else {
        return Err(ScanResult::NoPteTable);
    };
    let locked = slot.lock_table().ok_or(ScanResult::NoPteTable)?;
    let (table, flush) = slot.take_table(locked);
    let entries = table.entries(va(at));
    let block = va_range(range_of(at));
    if move_plain(pager, entries.cells(), head) < HUGE_PAGES {
        for (pte, i) in entries.slots(block).zip(0..) {
            move_page(pager, vma, pte.take(), head.add(i));
        }
    }
    drop(entries);
    install_anon(pager, vma, &slot, head, Some(table));
    pager.tables().flush(flush);
    Ok(())
}

/// Moves what most blocks consist of, pages that nobody else has: see [`move_page`], to which the
/// others are left. How many these were.
fn move_plain<A: Arch>(pager: &Pager<'_, A>, cells: &[AtomicU64], head: Pfn) -> u64 {
    let entries: Vec<Entry<A>> = entries_of(cells);
    let to = pager.frames().metas(head, HUGE_PAGES);
    let mut release = pager.frames().release();
    let (mut at, mut total) = (0, 0);
    while let Some(entry) = entries.get(at) {
        let batch = Entry::batch(&entries[at..]);
        let Some(pfn) = Pager::normal_page(*entry) else {
            at += batch;
            continue;
        };
        let moved = release.move_last(pfn, &to[at..at + batch]);
        let emptied = &cells[at..at + moved as usize];
        for cell in emptied {
            cell.store(0, Relaxed);
        }
        total += moved;
        // One that stays ends a batch.
        at += batch.min(moved as usize + 1);
    }
    pager.rss().add(RssKind::Anon, -(total as i64));
    total
}

/// The content of a page moves to its part of the huge page, and its mapping goes.
fn move_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, old: Entry<A>, new: Pfn) {
    if old.is_none() || is_zero(old) {
        return;
    }
    let Some(pfn) = Pager::normal_page(old) else {
        return;
    };
    pager.frames().meta(new).set_tag(pager.content(pfn));
    pager.account_unmap(vma, pfn, RssKind::Anon);
}
