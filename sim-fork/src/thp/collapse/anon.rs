//! Collapsing anonymous memory (`mm/khugepaged.c: collapse_huge_page()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Mm, ScanResult, VirtAddr, Vma};
use sim_pagetable::{Arch, Entry, Pfn, PteSlot};

use super::scan::{Found, is_zero};
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
        swap_in(&pager, &space.mm.read(), at, by)
    } else {
        Ok(())
    };
    let replaced = swapped_in.and_then(|()| replace(&pager, &mut space.mm.write(), (at, head), by));
    match replaced {
        Ok(()) => ScanResult::Succeed,
        Err(result) => {
            shared.frames.put(head);
            result
        }
    }
}

/// Brings back what is in swap; fails at a marker (`__collapse_huge_page_swapin()`).
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
    let (table, flush) = slot.take_table();
    let entries = table.entries(va(at));
    let block = va_range(range_of(at));
    move_plain(pager, entries.slots(block), head);
    for (pte, i) in entries.slots(block).zip(0..) {
        move_page(pager, vma, pte.take(), head.add(i));
    }
    drop(entries);
    install_anon(pager, vma, &slot, head, Some(table));
    pager.tables().flush(flush);
    Ok(())
}

/// Moves what most blocks consist of, pages that nobody else has: see [`move_page`], to which the
/// others are left.
fn move_plain<'s, A: Arch>(
    pager: &Pager<'_, A>,
    slots: impl Iterator<Item = PteSlot<'s, A>>,
    head: Pfn,
) {
    let frames = pager.frames();
    let mut release = frames.release();
    let mut moved = 0;
    for (slot, i) in slots.zip(0..) {
        let Some(pfn) = Pager::normal_page(slot.get()) else {
            continue;
        };
        if let Some(content) = release.unmap_last(pfn) {
            frames.meta(head.add(i)).set_tag(content);
            slot.take();
            moved += 1;
        }
    }
    pager.rss().add(RssKind::Anon, -moved);
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
