//! From one PMD entry to 512 PTEs (`mm/huge_memory.c: __split_huge_pmd_locked()`, 6.19).

use sim_core::Vma;
use sim_pagetable::{Arch, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PmdSlot, Va};

use crate::folio;
use crate::pager::Pager;
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
    frames.map_all_pages(head, pager.sharer());
    if exclusive {
        for meta in frames.metas(head, HUGE_PAGES) {
            meta.set_flags(FrameFlags::ANON_EXCLUSIVE);
        }
    }
    let (table, flush) = slot.split(|i| old.split_page(i));
    drop(table);
    frames.unmap_huge(head, pager.sharer());
    pager.tables().flush(flush);
}
