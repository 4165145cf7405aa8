//! Collapse: from single pages to a huge page (`mm/khugepaged.c`, 6.19).
//!
//! ```text
//!   MADV_COLLAPSE (advise.rs) ┐           ┌ anonymous ▶ scan.rs ▶ anon.rs
//!                             ├▶ block() ─┤
//!   khugepaged ───────────────┘           └ object ▶ file.rs ▶ retract.rs ▶ mapped.rs
//! ```

mod advise;
mod anon;
mod file;
mod mapped;
mod retract;
mod scan;

use sim_core::store::{VmaId, VmaStore};
use sim_core::{Event, Mm, PMD_PAGES, PageRange, ScanResult, VirtAddr, VmFlags, Vma};
use sim_pagetable::Arch;

pub(crate) use self::advise::madvise;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::thp::eligible::{self, Purpose};
use crate::va::va;

/// Who collapses (`struct collapse_control`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum By {
    /// khugepaged, within the limits of the settings.
    Khugepaged,
    /// `MADV_COLLAPSE`, come what may.
    Advice,
}

impl By {
    const fn purpose(self) -> Purpose {
        match self {
            Self::Khugepaged => Purpose::Khugepaged,
            Self::Advice => Purpose::Collapse,
        }
    }

    /// Does khugepaged give up beyond so many?
    const fn exceeds(self, count: u32, limit: u32) -> bool {
        matches!(self, Self::Khugepaged) && count > limit
    }
}

/// Collapses the block at an aligned address of an address space, whatever is mapped there.
pub(crate) fn block<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    at: VirtAddr,
    by: By,
) -> ScanResult {
    let result = try_block(machine, space, at, by);
    let range = range_of(at);
    let event = || Event::Collapse { range, result };
    space.events.record(event);
    result
}

fn try_block<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    at: VirtAddr,
    by: By,
) -> ScanResult {
    let pager = Pager::new(machine.shared(), &space.pages);
    let mm = space.read_recursive();
    let id = match revalidate(machine.shared(), &mm, at, by) {
        Ok(id) => id,
        Err(result) => return result,
    };
    let Some(file) = mm.vma(id).file() else {
        let scanned = scan::scan(&pager, mm.vma(id), at, by);
        drop(mm);
        return match scanned {
            Ok(found) => anon::collapse(machine.shared(), space, at, (by, found)),
            Err(result) => result,
        };
    };
    let first = mm.vma(id).pgoff_of(at).get();
    drop(mm);
    let mut result = file::scan(machine, &pager, (file, first), by);
    if by == By::Advice && result == ScanResult::PageDirtyOrWriteback {
        crate::file::write_back(machine, file, first, first + PMD_PAGES);
        result = file::scan(machine, &pager, (file, first), by);
    }
    match result {
        ScanResult::PteMappedHugepage => mapped::collapse(machine.shared(), space, at, by),
        result => result,
    }
}

/// The VMA of a block that can be collapsed (`hugepage_vma_revalidate()`).
fn revalidate<S: VmaStore>(
    shared: &Shared,
    mm: &Mm<S>,
    at: VirtAddr,
    by: By,
) -> Result<VmaId, ScanResult> {
    let id = mm.find_vma(at).ok_or(ScanResult::VmaNull)?;
    let vma = mm.vma(id);
    if !eligible::is_suitable(vma, at) {
        return Err(ScanResult::AddressRange);
    }
    if !eligible::allowed(shared, vma, vma.flags(), by.purpose()) {
        return Err(ScanResult::VmaCheck);
    }
    Ok(id)
}

/// Checks that there is a PTE table (`find_pmd_or_thp_or_none()`).
fn require_table<A: Arch>(pager: &Pager<'_, A>, at: VirtAddr) -> Result<(), ScanResult> {
    let one_result = pager.shared.features().collapse_skips_empty;
    let absent = |old| {
        if one_result {
            ScanResult::NoPteTable
        } else {
            old
        }
    };
    let Some(slot) = pager.tables().pmd(va(at)) else {
        return Err(absent(ScanResult::PmdNull));
    };
    if slot.is_none() {
        Err(absent(ScanResult::PmdNone))
    } else if slot.is_table() {
        Ok(())
    } else if slot.entry().is_present() {
        Err(ScanResult::PmdMapped)
    } else {
        Err(absent(ScanResult::PmdNull))
    }
}

/// Is the VMA registered with a userfaultfd in this mode?
fn has_uffd(vma: &Vma, mode: VmFlags) -> bool {
    vma.uffd().is_some() && vma.flags().intersects(mode)
}

/// The addresses of a block.
fn range_of(at: VirtAddr) -> PageRange {
    PageRange::from_pages(at, PMD_PAGES)
}
