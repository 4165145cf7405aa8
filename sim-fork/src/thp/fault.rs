//! Faults that map, or find, a huge page (`mm/huge_memory.c: do_huge_pmd_anonymous_page()`,
//! `do_huge_pmd_wp_page()`, 6.19).

use sim_core::{UffdFeatures, VmFlags, Vma};
use sim_pagetable::{Arch, Detached, Entry, FrameFlags, HUGE_PAGES, Leaf, Pfn, PmdSlot};

use crate::error::FaultError;
use crate::fault::Fault;
use crate::folio::NEW_ANON;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp::eligible::{self, Purpose};
use crate::thp::{khugepaged, mapping};
use crate::va::va;

/// The first fault in an empty 2 MiB block. True if a huge page was mapped (or another thread was
/// faster), false if the fault goes on with single pages.
pub(crate) fn anonymous<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
) -> Result<bool, FaultError> {
    let vma = fault.vma;
    let allowed = vma.is_anon()
        && eligible::allowed(pager.shared, vma, vma.flags(), Purpose::PageFault)
        && eligible::is_suitable(vma, fault.addr.pmd_down());
    if !allowed {
        return Ok(false);
    }
    (fault.prepare)()?;
    khugepaged::enter(pager, vma, vma.flags());
    if !fault.is_write() && pager.shared.setup.thp.use_zero_page {
        return map_zero(pager, fault).map(|()| true);
    }
    map_new(pager, fault)
}

/// The huge zero page for a read (`set_huge_zero_folio()`). It was allocated when the machine
/// started.
fn map_zero<A: Arch>(pager: &Pager<'_, A>, fault: &Fault<'_>) -> Result<(), FaultError> {
    let deposit = pager.tables().alloc_pte_table()?;
    let Some(slot) = empty_slot(pager, fault) else {
        return Ok(());
    };
    if fault.uffd(VmFlags::UFFD_MISSING) {
        return Err(pager.userfault());
    }
    let prot = pager.page_prot(fault.vma);
    let entry = Entry::huge(Pfn::HUGE_ZERO_PAGE, prot).mk_special();
    slot.install_huge(entry, Some(deposit));
    Ok(())
}

/// A new huge page (`__do_huge_pmd_anonymous_page()`); false without memory for one.
fn map_new<A: Arch>(pager: &Pager<'_, A>, fault: &Fault<'_>) -> Result<bool, FaultError> {
    let Ok(head) = pager.frames().alloc_huge(NEW_ANON) else {
        return Ok(false);
    };
    let deposit = pager.tables().alloc_pte_table();
    let deposit = deposit.inspect_err(|_| {
        pager.frames().put(head);
    })?;
    let Some(slot) = empty_slot(pager, fault) else {
        pager.frames().put(head);
        return Ok(true);
    };
    if fault.uffd(VmFlags::UFFD_MISSING) {
        pager.frames().put(head);
        return Err(pager.userfault());
    }
    install_anon(pager, fault.vma, &slot, head, Some(deposit));
    Ok(true)
}

/// The PMD entry of a fault, if still empty.
fn empty_slot<'t, A: Arch>(pager: &Pager<'t, A>, fault: &Fault<'_>) -> Option<PmdSlot<'t, A>> {
    let slot = pager.tables().pmd(va(fault.addr))?;
    slot.is_none().then_some(slot)
}

/// Maps a new, exclusive huge page (`map_anon_folio_pmd()`); the caller's reference is the
/// mapping's.
pub(super) fn install_anon<'t, A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    slot: &PmdSlot<'t, A>,
    head: Pfn,
    deposit: Option<Detached<'t, A>>,
) {
    let entry = Entry::huge(head, pager.page_prot(vma)).mk_dirty();
    slot.install_huge(maybe_write(vma, entry), deposit);
    let frames = pager.frames();
    if vma.flags().contains(VmFlags::DROPPABLE) {
        frames.meta(head).clear_flags(FrameFlags::SWAPBACKED);
    }
    frames.map_huge(head, pager.sharer());
    pager.shared.lru.add_mapped_large(frames, vma, head);
    pager.rss().add(RssKind::Anon, HUGE_PAGES as i64);
}

fn maybe_write<A: Arch>(vma: &Vma, entry: Entry<A>) -> Entry<A> {
    if vma.flags().contains(VmFlags::WRITE) {
        entry.mk_write()
    } else {
        entry
    }
}

/// A fault on a present huge entry.
pub(crate) fn present<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    entry: Entry<A>,
) -> Result<(), FaultError> {
    if fault.is_write() && !entry.is_writable() {
        return write_protected(pager, fault, entry);
    }
    let mut new = entry.mk_young();
    if fault.is_write() {
        new = new.mk_dirty();
    }
    change(pager, fault, entry, new);
    Ok(())
}

/// `mm/memory.c: wp_huge_pmd()`. Whoever splits lets the access fault again, on single pages.
fn write_protected<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    entry: Entry<A>,
) -> Result<(), FaultError> {
    let vma = fault.vma;
    if vma.is_anon() {
        if !(fault.uffd(VmFlags::UFFD_WP) && entry.is_uffd_wp()) {
            write_anon(pager, fault, entry);
            return Ok(());
        }
        if !pager
            .shared
            .uffd_features()
            .contains(UffdFeatures::WP_ASYNC)
        {
            return Err(pager.userfault());
        }
    }
    mapping::split(pager, vma, va(fault.addr));
    Ok(())
}

/// `mm/huge_memory.c: do_huge_pmd_wp_page()`: reuse, or split; a huge page is not copied.
fn write_anon<A: Arch>(pager: &Pager<'_, A>, fault: &Fault<'_>, entry: Entry<A>) {
    let Some(head) = entry.pfn() else {
        return;
    };
    if head.is_zero_page() {
        if !replace_zero(pager, fault, entry) {
            mapping::split(pager, fault.vma, va(fault.addr));
        }
        return;
    }
    let meta = pager.frames().meta(head);
    if !meta.has(FrameFlags::ANON_EXCLUSIVE) {
        if pager.frames().refs(head) != 1 {
            mapping::split(pager, fault.vma, va(fault.addr));
            return;
        }
        meta.set_flags(FrameFlags::ANON_EXCLUSIVE);
    }
    let new = maybe_write(fault.vma, entry.mk_young().mk_dirty());
    change(pager, fault, entry, new);
}

/// A new huge page in place of the huge zero page (`do_huge_zero_wp_pmd()`); false without memory
/// for one.
fn replace_zero<A: Arch>(pager: &Pager<'_, A>, fault: &Fault<'_>, old: Entry<A>) -> bool {
    let Ok(head) = pager.frames().alloc_huge(NEW_ANON) else {
        return false;
    };
    let slot = match pager.tables().leaf(va(fault.addr)) {
        Leaf::Huge(slot) if slot.entry() == old => slot,
        Leaf::Huge(_) | Leaf::Table(_) | Leaf::Absent => {
            pager.frames().put(head);
            return true;
        }
    };
    let (_, deposit) = slot.remove_huge(true);
    install_anon(pager, fault.vma, &slot, head, deposit);
    true
}

/// Changes the huge entry of a fault if it still is what it was.
fn change<A: Arch>(pager: &Pager<'_, A>, fault: &Fault<'_>, old: Entry<A>, new: Entry<A>) {
    if let Leaf::Huge(slot) = pager.tables().leaf(va(fault.addr))
        && slot.entry() == old
    {
        slot.change(new);
    }
}
