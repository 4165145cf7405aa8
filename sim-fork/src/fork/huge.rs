//! Copying a huge entry (`mm/huge_memory.c: copy_huge_pmd()`, 6.19).

use sim_core::Vma;
use sim_core::store::NoMemory;
use sim_pagetable::{Arch, FrameFlags, HUGE_PAGES, PmdSlot};

use super::copy::Rules;
use crate::pager::Pager;
use crate::rss::RssKind;

/// Copies the huge entry of anonymous memory; that of a file faults again in the child.
pub(super) fn copy<'t, A: Arch>(
    child: &Pager<'t, A>,
    rules: Rules,
    source: &Vma,
    from: &PmdSlot<'_, A>,
    to: &PmdSlot<'t, A>,
) -> Result<(), NoMemory> {
    if !source.is_anon() {
        return Ok(());
    }
    let deposit = child.tables().alloc_pte_table().map_err(|_| NoMemory)?;
    let mut entry = from.entry();
    let Some(head) = entry.pfn() else {
        return Ok(());
    };
    if !head.is_zero_page() {
        let frames = child.frames();
        frames.get(head);
        frames.map_huge(head, child.sharer());
        frames.meta(head).clear_flags(FrameFlags::ANON_EXCLUSIVE);
        child.rss().add(RssKind::Anon, HUGE_PAGES.cast_signed());
        entry = entry.wrprotect();
        from.change(entry);
    }
    if !rules.keep_uffd_wp {
        entry = entry.with_uffd_wp(false);
    }
    let entry = if rules.cow { entry.wrprotect() } else { entry };
    to.install_huge(entry.mk_old(), Some(deposit));
    Ok(())
}
