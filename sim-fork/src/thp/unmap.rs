//! Removing a huge entry (`mm/huge_memory.c: zap_huge_pmd()`, 6.19).

use sim_core::{VmFlags, Vma};
use sim_pagetable::{Arch, FrameFlags, HUGE_PAGES, Pfn, PmdSlot};

use crate::folio;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::rss::RssKind;

/// Removes a huge entry whole.
pub(crate) fn zap<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, slot: PmdSlot<'_, A>, mode: ZapMode) {
    let entry = slot.entry();
    let Some(head) = entry.pfn() else {
        drop(slot.remove_huge(false));
        return;
    };
    if head.is_zero_page() {
        drop(slot.remove_huge(true));
        return;
    }
    let kind = folio::rss_kind(pager.frames(), head);
    if kind == RssKind::Anon && mode.keeps_private() {
        return;
    }
    drop(slot.remove_huge(kind == RssKind::Anon));
    if kind != RssKind::Anon {
        pager.object_page_unmapped(vma, entry, mode);
    }
    let frames = pager.frames();
    frames.unmap_huge(head, pager.sharer());
    pager.rss().add(kind, -HUGE_PAGES.cast_signed());
    if vma.flags().contains(VmFlags::LOCKED) {
        pager.shared.lru.munlock(frames, head);
    }
    frames.put(head);
}

/// Removes the huge entry of an object's page because single ones are wanted: they fault again
/// (`__split_huge_pmd_locked()` for what is not anonymous).
pub(super) fn drop_object<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    slot: &PmdSlot<'_, A>,
    head: Pfn,
) {
    let frames = pager.frames();
    let entry = slot.entry();
    drop(slot.remove_huge(false));
    if entry.is_dirty() {
        folio::mark_dirty(frames, head);
    }
    if entry.is_young() {
        frames.meta(head).set_flags(FrameFlags::REFERENCED);
    }
    let kind = folio::rss_kind(frames, head);
    frames.unmap_huge(head, pager.sharer());
    pager.rss().add(kind, -(HUGE_PAGES as i64));
    if vma.flags().contains(VmFlags::LOCKED) {
        pager.shared.lru.munlock(frames, head);
    }
    frames.put(head);
}
