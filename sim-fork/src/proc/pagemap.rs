//! Page states as `/proc/PID/pagemap` shows them (`fs/proc/task_mmu.c: pte_to_pagemap_entry()`,
//! 6.19).

use sim_core::{PageRange, PageRun, PageState, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, EntryView, Leaf, Marker, Pfn, PresentEntry, Run, Va, VaRange};

use crate::folio;
use crate::pager::Pager;
use crate::va::{page_range, va_range};

/// Appends the runs of pages of a VMA that have an entry.
pub(super) fn append_runs<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, runs: &mut Vec<PageRun>) {
    for Run { range, leaf } in pager.tables().walk(va_range(vma.range())) {
        match leaf {
            Leaf::Absent => {}
            Leaf::Huge(slot) => {
                if let Some(state) = state(pager, vma, slot.entry(), 0) {
                    push(runs, page_range(range), state);
                }
            }
            Leaf::Table(table) => {
                for slot in table.slots(range) {
                    let entry = slot.get();
                    if let Some(state) = state(pager, vma, entry, 0) {
                        push(runs, page_range(page_at(slot.va())), state);
                    }
                }
            }
        }
    }
}

fn page_at(at: Va) -> VaRange {
    VaRange::page(at)
}

fn push(runs: &mut Vec<PageRun>, range: PageRange, state: PageState) {
    if let Some(last) = runs.last_mut()
        && last.range.end() == range.start()
        && last.state == state
    {
        last.range = PageRange::new(last.range.start(), range.end());
        return;
    }
    runs.push(PageRun { range, state });
}

/// The state that an entry stands for; of a huge one, that of its page `index`.
pub(super) fn state<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    entry: Entry<A>,
    index: u64,
) -> Option<PageState> {
    let vma_dirty = vma.flags().contains(VmFlags::SOFTDIRTY);
    Some(match entry.view() {
        EntryView::None => return None,
        EntryView::Present(page) => present(pager, page, index, vma_dirty),
        EntryView::Swap(swapped) => PageState::Swap {
            uffd_wp: swapped.uffd_wp,
            soft_dirty: swapped.soft_dirty || vma_dirty,
        },
        EntryView::Marker(marker) if marker.contains(Marker::GUARD) => PageState::Guard,
        EntryView::Marker(marker) if marker.contains(Marker::POISON) => PageState::Poison,
        EntryView::Marker(_) => PageState::Marker,
        EntryView::HwPoison(_) => PageState::Poison,
        EntryView::Migration(_) | EntryView::Device(..) => PageState::Migration,
    })
}

fn present<A: Arch>(
    pager: &Pager<'_, A>,
    page: PresentEntry,
    index: u64,
    vma_dirty: bool,
) -> PageState {
    let huge = page.size == sim_pagetable::PageSize::Huge;
    let ordinary = ordinary_page(page).map(|pfn| pfn.add(index));
    let huge_zero = huge && page.pfn.is_zero_page();
    PageState::Present {
        exclusive: ordinary.is_some_and(|pfn| pager.frames().page_mapcount(pfn) == 1),
        file: huge_zero || ordinary.is_some_and(|pfn| !folio::is_anon(pager.frames(), pfn)),
        huge,
        uffd_wp: page.uffd_wp,
        soft_dirty: page.soft_dirty || vma_dirty,
    }
}

/// The frame, if it is an ordinary page (`vm_normal_page()`).
fn ordinary_page(page: PresentEntry) -> Option<Pfn> {
    let special = page.special || !page.pfn.has_meta() || page.pfn.is_zero_page();
    (!special).then_some(page.pfn)
}
