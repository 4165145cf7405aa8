//! From one PMD entry to 512 PTEs (`mm/huge_memory.c: __split_huge_pmd_locked()`, 6.19).

use std::collections::BTreeSet;

use sim_core::{VmFlags, Vma};
use sim_pagetable::{
    Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PmdSlot, PteSlot, Run, Va, VaRange,
};

use crate::folio;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp::unmap;

/// Splits the huge entry of `at`, if there is one. Pages of files are unmapped instead: they
/// fault again.
pub(crate) fn split<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: Va) {
    let Leaf::Huge(slot) = pager.tables().leaf(at) else {
        return;
    };
    let Some(head) = slot.entry().pfn() else {
        return;
    };
    if head.is_zero_page() {
        split_zero(pager, slot);
    } else if folio::is_anon(pager.frames(), head) {
        split_anon(pager, slot, head);
    } else {
        unmap::drop_object(pager, vma, &slot, head);
    }
}

/// The huge zero page becomes 512 zero pages.
fn split_zero<A: Arch>(pager: &Pager<'_, A>, slot: PmdSlot<'_, A>) {
    let old = slot.entry();
    let zero = |_| {
        let prot = A::prot(old.split_page(0).raw());
        let entry = Entry::page(Pfn::ZERO_PAGE, prot).mk_special();
        if old.is_uffd_wp() {
            entry.with_uffd_wp(true)
        } else {
            entry
        }
    };
    let (table, flush) = slot.split(zero);
    drop(table);
    pager.tables().flush(flush);
}

/// The folio stays whole; each of its pages is mapped by a PTE of its own.
fn split_anon<A: Arch>(pager: &Pager<'_, A>, slot: PmdSlot<'_, A>, head: Pfn) {
    let frames = pager.frames();
    let old = slot.entry();
    let exclusive = frames.meta(head).has(FrameFlags::ANON_EXCLUSIVE);
    if old.is_dirty() {
        folio::mark_dirty(frames, head);
    }
    frames.get_many(head, HUGE_PAGES as u32 - 1);
    for i in 0..HUGE_PAGES {
        frames.map_page(head.add(i));
        if exclusive {
            frames
                .meta(head.add(i))
                .set_flags(FrameFlags::ANON_EXCLUSIVE);
        }
    }
    let (table, flush) = slot.split(|i| old.split_page(i));
    drop(table);
    frames.unmap_huge(head);
    pager.tables().flush(flush);
}

/// Splits the large folios that a part of a block maps in part, so that advice reaches those pages
/// alone (`mm/madvise.c: madvise_folio_pte_batch()`, `mm/huge_memory.c: split_folio()`). Folios
/// that others map too stay; those that are mapped whole are returned, by head.
pub(crate) fn split_partial<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, part: VaRange) -> Vec<Pfn> {
    let mut whole = Vec::new();
    for head in large_folios(pager, part) {
        if mapped_in(pager, part, head) == HUGE_PAGES as usize {
            whole.push(head);
        } else {
            split_folio(pager, vma, part.start(), head);
        }
    }
    whole
}

/// The large folios that single entries of a part of a block map, by head.
fn large_folios<A: Arch>(pager: &Pager<'_, A>, part: VaRange) -> BTreeSet<Pfn> {
    let Leaf::Table(table) = pager.tables().leaf(part.start()) else {
        return BTreeSet::new();
    };
    let frames = pager.frames();
    table
        .slots(part)
        .filter_map(|slot| Pager::normal_page(slot.get()))
        .filter(|&pfn| frames.is_large(pfn))
        .map(|pfn| frames.head(pfn))
        .collect()
}

/// How many single entries of a range map pages of a folio.
fn mapped_in<A: Arch>(pager: &Pager<'_, A>, range: VaRange, head: Pfn) -> usize {
    let frames = pager.frames();
    let tables = pager.tables().walk(range).map(|Run { range, leaf }| {
        let Leaf::Table(table) = leaf else {
            return 0;
        };
        let mapped = table
            .slots(range)
            .filter_map(|slot| Pager::normal_page(slot.get()))
            .filter(|&pfn| frames.head(pfn) == head);
        mapped.count()
    });
    tables.sum()
}

/// Makes single pages of a large folio that single entries of the block of `at` map. Those of an
/// object are unmapped on the way; of anonymous ones that contain nothing but zeroes the zero page
/// takes the place (`mm/migrate.c: try_to_map_unused_to_zeropage()`). False if others have it too.
pub(crate) fn split_folio<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, at: Va, head: Pfn) -> bool {
    let frames = pager.frames();
    let block = VaRange::new(at.huge_down(), at.huge_down().add(sim_core::PMD_SIZE));
    let is_anon = folio::is_anon(frames, head);
    let mut mapped = block;
    let mut own = mapped_in(pager, mapped, head) as u32;
    if is_anon && frames.folio_mapcount(head) > own && !pager.shared.is_concurrent() {
        // mremap may have taken some of it elsewhere. DEVIATION: Linux finds them by the anon_vma,
        // and while several threads run; here other VMAs' tables could be freed meanwhile.
        mapped = VaRange::new(
            Va::new(0),
            Va::new(pager.shared.config.layout.task_size.get()),
        );
        own = mapped_in(pager, mapped, head) as u32;
    }
    if frames.entire_mapcount(head) != 0 || frames.folio_mapcount(head) != own {
        return false;
    }
    pager.shared.lru.drain_mlocked(frames);
    let cached = if is_anon { 0 } else { HUGE_PAGES as u32 };
    if frames.refs(head) != own + cached {
        return false;
    }
    if !is_anon {
        if let Leaf::Table(table) = pager.tables().leaf(at) {
            for slot in table.slots(block) {
                unmap_object_page(pager, vma, slot, head);
            }
        }
        frames.split_folio(head, 1);
        drop_beyond_end(pager, vma, head);
        return true;
    }
    frames.split_folio(head, 0);
    let pages = head.get()..head.get() + HUGE_PAGES;
    for Run { range, leaf } in pager.tables().walk(mapped) {
        let Leaf::Table(table) = leaf else {
            continue;
        };
        for slot in table.slots(range) {
            let page = Pager::normal_page(slot.get()).filter(|pfn| pages.contains(&pfn.get()));
            let zeroes = page.filter(|&pfn| pager.content(pfn) == 0);
            if let Some(pfn) = zeroes.filter(|_| !vma.flags().contains(VmFlags::LOCKED)) {
                map_zero_page(pager, vma, slot, pfn);
            }
        }
    }
    true
}

fn map_zero_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, slot: PteSlot<'_, A>, pfn: Pfn) {
    let old = slot.get();
    let prot = A::prot(old.wrprotect().mk_clean().mk_young().raw());
    let zero = Entry::page(Pfn::ZERO_PAGE, prot).mk_special();
    slot.set(zero.with_uffd_wp(old.is_uffd_wp()));
    pager.account_unmap(vma, pfn, RssKind::Anon);
}

/// As reclaim unmaps (`mm/rmap.c: try_to_unmap_one()`): that the page was accessed is forgotten.
fn unmap_object_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, slot: PteSlot<'_, A>, head: Pfn) {
    let entry = slot.get();
    let Some(pfn) = Pager::normal_page(entry) else {
        return;
    };
    if pager.frames().head(pfn) != head {
        return;
    }
    if entry.is_dirty() {
        folio::mark_dirty(pager.frames(), head);
    }
    slot.set(Entry::NONE);
    Pager::leave_uffd_wp(vma, slot, entry, ZapMode::Discard);
    let kind = folio::rss_kind(pager.frames(), head);
    pager.account_unmap(vma, pfn, kind);
}

/// Pages of a split folio that lie beyond the end of their object leave it.
fn drop_beyond_end<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, head: Pfn) {
    let object = vma.file().and_then(|file| pager.shared.files.get(file.id));
    let Some(object) = object else { return };
    let mut state = object.lock();
    let beyond: Vec<_> = state
        .pages_from(state.size_in_pages())
        .filter_map(|(index, _)| Some((index, state.cached(index)?)))
        .filter(|(_, pfn)| (head.get()..head.get() + HUGE_PAGES).contains(&pfn.get()))
        .collect();
    for (index, pfn) in beyond {
        state.take(index);
        pager.frames().put(pfn);
    }
}
