//! The counters of `/proc/PID/smaps` (`fs/proc/task_mmu.c: smap_gather_stats()`,
//! `smaps_account()`, 6.19).

use sim_core::{PAGE_SIZE, PageRange, Smaps, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, EntryView, FrameFlags, HUGE_PAGES, HUGE_SIZE, Leaf, Pfn, Run};

use crate::file::{FileState, swapped};
use crate::folio;
use crate::pager::Pager;
use crate::thp;
use crate::va::{addr, page_range, va_range};

/// Shares of pages are counted in bytes times 2 to this.
const PSS_SHIFT: u32 = 12;

/// Sums in bytes; shares in fixed point.
#[derive(Default)]
struct Sums {
    counters: Smaps,
    pss: u64,
    pss_dirty: u64,
    pss_locked: u64,
    swap_pss: u64,
}

/// Pages mapped by one entry.
#[derive(Clone, Copy)]
struct Mapped {
    pfn: Pfn,
    pages: u64,
    young: bool,
    dirty: bool,
}

/// The counters of a VMA.
pub(super) fn gather<A: Arch>(pager: &Pager<'_, A>, vma: &Vma) -> Smaps {
    let mut sums = Sums::default();
    for Run { range, leaf } in pager.tables().walk(va_range(vma.range())) {
        match leaf {
            Leaf::Absent => {}
            Leaf::Huge(slot) => sums.add_huge(pager, vma, slot.entry()),
            Leaf::Table(table) => {
                for slot in table.slots(range) {
                    sums.add_entry(pager, vma, slot.get());
                }
            }
        }
    }
    sums.add_swapped_cache(pager, vma);
    sums.finish(pager, vma)
}

impl Sums {
    fn add_entry<A: Arch>(&mut self, pager: &Pager<'_, A>, vma: &Vma, entry: Entry<A>) {
        match entry.view() {
            EntryView::Present(page) => {
                if let Some(pfn) = Pager::normal_page(entry) {
                    let mapped = Mapped {
                        pfn,
                        pages: 1,
                        young: page.young,
                        dirty: page.dirty,
                    };
                    self.add_page(pager, vma, mapped);
                }
            }
            EntryView::Swap(swapped) => {
                self.counters.swap += PAGE_SIZE;
                let page = pager.shared.swap.get(swapped.slot);
                let refs = page.map_or(1, |page| u64::from(page.refs.max(1)));
                self.swap_pss += (PAGE_SIZE << PSS_SHIFT) / refs;
            }
            EntryView::None
            | EntryView::Marker(_)
            | EntryView::HwPoison(_)
            | EntryView::Migration(_)
            | EntryView::Device(..) => {}
        }
    }

    fn add_huge<A: Arch>(&mut self, pager: &Pager<'_, A>, vma: &Vma, entry: Entry<A>) {
        let Some(head) = Pager::normal_page(entry) else {
            return;
        };
        let flags = folio::flags_of(pager.frames(), head);
        let kind = if flags.contains(FrameFlags::ANON) {
            &mut self.counters.anon_huge_pages
        } else if flags.contains(FrameFlags::SWAPBACKED) {
            &mut self.counters.shmem_pmd_mapped
        } else {
            &mut self.counters.file_pmd_mapped
        };
        *kind += HUGE_SIZE;
        let mapped = Mapped {
            pfn: head,
            pages: HUGE_PAGES,
            young: entry.is_young(),
            dirty: entry.is_dirty(),
        };
        self.add_page(pager, vma, mapped);
    }

    fn add_page<A: Arch>(&mut self, pager: &Pager<'_, A>, vma: &Vma, mapped: Mapped) {
        let frames = pager.frames();
        let flags = folio::flags_of(frames, mapped.pfn);
        let size = mapped.pages * PAGE_SIZE;
        let dirty = mapped.dirty || flags.contains(FrameFlags::DIRTY);
        self.counters.rss += size;
        if flags.contains(FrameFlags::ANON) {
            self.counters.anonymous += size;
            if !flags.contains(FrameFlags::SWAPBACKED) && !dirty {
                self.counters.lazy_free += size;
            }
        }
        if flags.contains(FrameFlags::KSM) {
            self.counters.ksm += size;
        }
        if mapped.young || flags.contains(FrameFlags::REFERENCED) {
            self.counters.referenced += size;
        }
        let locked = vma.flags().contains(VmFlags::LOCKED);
        for i in 0..mapped.pages {
            let mappings = frames.page_mapcount(mapped.pfn.add(i));
            self.add_share(mappings, dirty, locked);
        }
    }

    /// `fs/proc/task_mmu.c: smaps_page_accumulate()`.
    fn add_share(&mut self, mappings: u32, dirty: bool, locked: bool) {
        let share = (PAGE_SIZE << PSS_SHIFT) / u64::from(mappings.max(1));
        self.pss += share;
        if dirty {
            self.pss_dirty += share;
        }
        if locked {
            self.pss_locked += share;
        }
        let counter = match (mappings < 2, dirty) {
            (true, true) => &mut self.counters.private_dirty,
            (true, false) => &mut self.counters.private_clean,
            (false, true) => &mut self.counters.shared_dirty,
            (false, false) => &mut self.counters.shared_clean,
        };
        *counter += PAGE_SIZE;
    }

    /// What is in swap of shared memory counts, whatever the page tables say; in a private mapping that
    /// can be written, only where nothing at all is mapped (`smap_gather_stats()`).
    fn add_swapped_cache<A: Arch>(&mut self, pager: &Pager<'_, A>, vma: &Vma) {
        let Some(file) = vma.file().filter(|file| file.is_shmem()) else {
            return;
        };
        let Some(object) = pager.shared.files.get(file.id) else {
            return;
        };
        let state = object.lock();
        let all = swapped_pages(&state, vma, vma.range());
        let private = vma.flags() & (VmFlags::SHARED | VmFlags::WRITE) == VmFlags::WRITE;
        let pages = if private && all != 0 {
            unmapped(pager, vma)
                .map(|hole| swapped_pages(&state, vma, hole))
                .sum()
        } else {
            all
        };
        self.counters.swap += pages * PAGE_SIZE;
    }

    fn finish<A: Arch>(self, pager: &Pager<'_, A>, vma: &Vma) -> Smaps {
        let mut counters = self.counters;
        for (_, field) in kilobytes(&mut counters) {
            *field >>= 10;
        }
        counters.size = vma.range().len().get() >> 10;
        counters.kernel_page_size = PAGE_SIZE >> 10;
        counters.mmu_page_size = PAGE_SIZE >> 10;
        counters.pss = self.pss >> (10 + PSS_SHIFT);
        counters.pss_dirty = self.pss_dirty >> (10 + PSS_SHIFT);
        counters.locked = self.pss_locked >> (10 + PSS_SHIFT);
        counters.swap_pss = self.swap_pss >> (10 + PSS_SHIFT);
        let eligible = thp::eligible::Purpose::Smaps;
        let eligible = thp::eligible::allowed(pager.shared, vma, vma.flags(), eligible);
        counters.thp_eligible = u64::from(eligible);
        counters
    }
}

/// What is in swap of a part of a VMA. It counts with all of its entry in the page cache, even if the
/// part has not all of that (`mm/shmem.c: shmem_partial_swap_usage()`).
fn swapped_pages(state: &FileState, vma: &Vma, part: PageRange) -> u64 {
    let first = vma.pgoff_of(part.start()).get();
    let entries = swapped::walk(state, first..first + part.pages());
    entries.map(|(_, page)| page.pages).sum()
}

/// Where nothing is mapped: what has no table, as far as the same entry of a higher table says so, and
/// single pages without an entry (`fs/proc/task_mmu.c: smaps_pte_hole()`).
fn unmapped<A: Arch>(pager: &Pager<'_, A>, vma: &Vma) -> impl Iterator<Item = PageRange> {
    let range = va_range(vma.range());
    let mut holes: Vec<_> = pager.tables().holes(range).map(page_range).collect();
    for Run { range, leaf } in pager.tables().walk(range) {
        let Leaf::Table(table) = leaf else { continue };
        let empty = table.slots(range).filter(|slot| slot.get().is_none());
        holes.extend(empty.map(|slot| PageRange::page_of(addr(slot.va()))));
    }
    holes.into_iter()
}

/// The counters that are sums of bytes so far.
fn kilobytes(counters: &mut Smaps) -> [(&'static str, &mut u64); 13] {
    let c = counters;
    [
        ("Rss", &mut c.rss),
        ("Shared_Clean", &mut c.shared_clean),
        ("Shared_Dirty", &mut c.shared_dirty),
        ("Private_Clean", &mut c.private_clean),
        ("Private_Dirty", &mut c.private_dirty),
        ("Referenced", &mut c.referenced),
        ("Anonymous", &mut c.anonymous),
        ("KSM", &mut c.ksm),
        ("LazyFree", &mut c.lazy_free),
        ("AnonHugePages", &mut c.anon_huge_pages),
        ("ShmemPmdMapped", &mut c.shmem_pmd_mapped),
        ("FilePmdMapped", &mut c.file_pmd_mapped),
        ("Swap", &mut c.swap),
    ]
}
