//! From single entries that map a huge page of an object to one that maps it whole
//! (`mm/khugepaged.c: collapse_pte_mapped_thp()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{ScanResult, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Pfn};

use super::{By, has_uffd, range_of, require_table};
use crate::folio;
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::thp::eligible::{self, Purpose};
use crate::thp::object;
use crate::va::va_range;

/// Removes the PTE table of a block if it maps nothing but the huge page. `MADV_COLLAPSE` maps
/// that at once, khugepaged leaves it to the next fault.
pub(super) fn collapse<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    at: VirtAddr,
    by: By,
) -> ScanResult {
    let mm = space.read();
    let pager = Pager::new(shared, &space.pages);
    let Some(id) = mm.vma_lookup(at) else {
        return ScanResult::VmaCheck;
    };
    match (collapse_in(&pager, mm.vma(id), at, by), by) {
        (Err(ScanResult::PmdMapped), By::Khugepaged) | (Ok(()), _) => ScanResult::Succeed,
        (Err(result), _) => result,
    }
}

fn collapse_in<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    by: By,
) -> Result<(), ScanResult> {
    if vma.is_anon() || !vma.range().contains_range(range_of(at)) {
        return Err(ScanResult::VmaCheck);
    }
    let table = require_table(pager, at);
    if table == Err(ScanResult::PmdMapped) {
        return Err(ScanResult::PmdMapped);
    }
    if !eligible::allowed(pager.shared, vma, vma.flags(), Purpose::Collapse) {
        return Err(ScanResult::VmaCheck);
    }
    if has_uffd(vma, VmFlags::UFFD_WP) {
        return Err(ScanResult::PteUffdWp);
    }
    let head = cached(pager, vma, at)?;
    if table.is_ok() {
        remove_table(pager, vma, at, head)?;
    }
    if by == By::Advice {
        let mapped = object::map(pager, vma, at, (head, false));
        if mapped != Ok(true) {
            return Err(ScanResult::Fail);
        }
    }
    Ok(())
}

/// The huge page of the object that belongs at an address.
fn cached<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: VirtAddr) -> Result<Pfn, ScanResult> {
    let file = vma.file().ok_or(ScanResult::VmaCheck)?;
    let object = pager.shared.files.get(file.id);
    let object = object.ok_or(ScanResult::PageNull)?;
    let index = vma.pgoff_of(at).get();
    let found = object.lock().cached(index);
    let head = found.ok_or(ScanResult::PageNull)?;
    if pager.frames().is_huge(head) {
        Ok(head)
    } else {
        Err(ScanResult::PageCompound)
    }
}

/// Empties and frees the PTE table, unless it has anything but pages of the folio.
fn remove_table<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    head: Pfn,
) -> Result<(), ScanResult> {
    let range = va_range(range_of(at));
    let slot = pager.tables().pmd(range.start()).ok_or(ScanResult::Fail)?;
    let table = slot.lock_table().ok_or(ScanResult::Fail)?;
    for (slot, i) in table.slots(range).zip(0..) {
        let entry = slot.get();
        if entry.is_none() {
            continue;
        }
        if !entry.is_present() {
            return Err(ScanResult::PteNonPresent);
        }
        if Pager::normal_page(entry) != Some(head.add(i)) {
            return Err(ScanResult::Fail);
        }
    }
    let kind = folio::rss_kind(pager.frames(), head);
    for slot in table.slots(range) {
        if let Some(pfn) = slot.take().pfn() {
            pager.account_unmap(vma, pfn, kind);
        }
    }
    let (table, flush) = slot.take_table(table);
    drop(table);
    pager.tables().flush(flush);
    Ok(())
}
