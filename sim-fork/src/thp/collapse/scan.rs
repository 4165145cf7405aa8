//! Is a block of anonymous memory worth collapsing? (`mm/khugepaged.c: hpage_collapse_scan_pmd()`,
//! 6.19)

use sim_sync::prim::atomic::{AtomicU64, Ordering::Acquire};

use sim_core::{ScanResult, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Frames, HUGE_PAGES, Leaf, Pfn};

use super::{By, has_uffd, range_of, require_table};
use crate::folio;
use crate::pager::Pager;
use crate::va::va_range;

/// With swapped pages in it, so many pages of a block must have been accessed lately.
const REFERENCED_WITH_SWAP: u32 = HUGE_PAGES as u32 / 2;

/// What a scan has counted.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Found {
    /// Empty entries and zero pages.
    none_or_zero: u32,
    /// Entries that are neither empty nor present: swap, markers.
    pub(super) unmapped: u32,
    /// Pages that others map too.
    shared: u32,
    /// Pages accessed lately.
    referenced: u32,
}

/// Looks at every entry.
///
/// # Errors
/// Why the block is not to be collapsed.
pub(super) fn scan<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    at: VirtAddr,
    by: By,
) -> Result<Found, ScanResult> {
    require_table(pager, at)?;
    let range = va_range(range_of(at));
    let Leaf::Table(table) = pager.tables().leaf(range.start()) else {
        return Err(ScanResult::NoPteTable);
    };
    let entries: Vec<Entry<A>> = entries_of(table.cells());
    drop(table);
    let mut found = Found::default();
    let mut rest = &entries[..];
    while let Some(&entry) = rest.first() {
        let mut counted = 1;
        if entry.is_none() || is_zero(entry) {
            found.count_empty(pager, vma, by)?;
        } else if entry.is_present() {
            counted = found.count_pages(pager, rest, by)?;
        } else {
            found.count_unmapped(pager, entry, by)?;
        }
        rest = &rest[counted..];
    }
    let too_few = found.unmapped > 0 && found.referenced < REFERENCED_WITH_SWAP;
    if by == By::Khugepaged && (found.referenced == 0 || too_few) {
        return Err(ScanResult::LackReferencedPage);
    }
    Ok(found)
}

/// The entries of a table, read at one moment.
pub(super) fn entries_of<A: Arch>(cells: &[AtomicU64]) -> Vec<Entry<A>> {
    let each = cells.iter().map(|cell| cell.load(Acquire));
    each.map(Entry::from_raw).collect()
}

/// Is it the zero page?
pub(super) fn is_zero<A: Arch>(entry: Entry<A>) -> bool {
    entry.pfn() == Some(Pfn::ZERO_PAGE)
}

impl Found {
    fn count_unmapped<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        entry: Entry<A>,
        by: By,
    ) -> Result<(), ScanResult> {
        self.unmapped += 1;
        if by.exceeds(self.unmapped, pager.shared.setup.thp.max_ptes_swap) {
            return Err(ScanResult::ExceedSwapPte);
        }
        if entry.uffd_wp() {
            return Err(ScanResult::PteUffdWp);
        }
        Ok(())
    }

    fn count_empty<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        vma: &Vma,
        by: By,
    ) -> Result<(), ScanResult> {
        self.none_or_zero += 1;
        let limit = pager.shared.setup.thp.max_ptes_none;
        if has_uffd(vma, VmFlags::UFFD) || by.exceeds(self.none_or_zero, limit) {
            return Err(ScanResult::ExceedNonePte);
        }
        Ok(())
    }

    /// Counts a page together with those after it that are alike; returns how many these are.
    fn count_pages<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        entries: &[Entry<A>],
        by: By,
    ) -> Result<usize, ScanResult> {
        let before = *self;
        let pfn = self.count_page(pager, entries[0], by)?;
        let batch = Entry::batch(entries);
        if pager.frames().is_large(pfn) || batch == 1 {
            return Ok(1);
        }
        let metas = pager.frames().metas(pfn, batch as u64);
        let alike = metas.iter().take_while(|meta| meta.is_like(&metas[0]));
        let alike = alike.count();
        let more = alike as u32 - 1;
        self.referenced += more * (self.referenced - before.referenced);
        if self.shared > before.shared {
            self.shared += more;
            if by.exceeds(self.shared, pager.shared.setup.thp.max_ptes_shared) {
                return Err(ScanResult::ExceedSharedPte);
            }
        }
        Ok(alike)
    }

    fn count_page<A: Arch>(
        &mut self,
        pager: &Pager<'_, A>,
        entry: Entry<A>,
        by: By,
    ) -> Result<Pfn, ScanResult> {
        if entry.uffd_wp() {
            return Err(ScanResult::PteUffdWp);
        }
        let pfn = Pager::normal_page(entry).ok_or(ScanResult::PageNull)?;
        let looked = Looked::at(pager.frames(), pfn);
        let flags = looked.flags;
        if !flags.contains(FrameFlags::ANON) {
            return Err(ScanResult::PageAnon);
        }
        if by == By::Khugepaged && pager.frames().is_maybe_shared(pfn) {
            self.shared += 1;
            if by.exceeds(self.shared, pager.shared.setup.thp.max_ptes_shared) {
                return Err(ScanResult::ExceedSharedPte);
            }
        }
        if !flags.contains(FrameFlags::LRU) {
            return Err(ScanResult::PageLru);
        }
        let in_swap_cache = u32::from(flags.contains(FrameFlags::SWAPCACHE));
        if looked.refs != looked.maps + in_swap_cache * looked.pages {
            return Err(ScanResult::PageCount);
        }
        if entry.is_young() || flags.contains(FrameFlags::REFERENCED) {
            self.referenced += 1;
        }
        Ok(pfn)
    }
}

/// A page's folio, its counts and flags; of small ones with one look.
struct Looked {
    flags: FrameFlags,
    refs: u32,
    maps: u32,
    pages: u32,
}

impl Looked {
    fn at(frames: &Frames, pfn: Pfn) -> Self {
        let info = frames.meta(pfn).info();
        let large = FrameFlags::LARGE;
        if info.flags.intersects(large) {
            return Self {
                flags: folio::flags_of(frames, pfn),
                refs: frames.refs(pfn),
                maps: frames.folio_mapcount(pfn),
                pages: HUGE_PAGES as u32,
            };
        }
        Self {
            flags: info.flags,
            refs: info.refs,
            maps: info.maps,
            pages: 1,
        }
    }
}
