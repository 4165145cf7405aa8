//! Page states as `/proc/PID/pagemap` shows them (`fs/proc/task_mmu.c: pte_to_pagemap_entry()`,
//! 6.19).

use std::fmt::Write as _;

use sim_core::store::VmaStore;
use sim_core::{PageRange, PageRun, PageState, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, EntryView, Leaf, Marker, Pfn, PresentEntry, Run, Va, VaRange};

use crate::folio;
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::va::{page_range, va_range};

/// Appends the runs of pages of a VMA that have an entry.
pub(super) fn append_runs<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, runs: &mut Vec<PageRun>) {
    for Run { range, leaf } in pager.tables().walk(va_range(vma.range())) {
        match leaf {
            Leaf::Absent => {}
            Leaf::Huge(slot) => {
                // The first page of a huge one speaks for all of them.
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

const SOFT_DIRTY: u64 = 1 << 55;
const EXCLUSIVE: u64 = 1 << 56;
const UFFD_WP: u64 = 1 << 57;
const GUARD: u64 = 1 << 58;
const FILE: u64 = 1 << 61;
const SWAP: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;
/// Types of non-present entries.
const TYPE_HWPOISON: u64 = 24;
const TYPE_MIGRATION: u64 = 25;
const TYPE_MARKER: u64 = 31;

/// A line for each page that has an entry: its address and its 64 bits in the file.
pub(super) fn text<A: Arch, S: VmaStore>(shared: &Shared, space: &AddressSpace<A, S>) -> String {
    let mm = space.mm.read();
    let pager = Pager::new(shared, &space.pages);
    let mut text = String::new();
    let mut line = |at: Va, bits: Option<u64>| {
        if let Some(bits) = bits {
            let _ = writeln!(text, "{:#x} {bits:016x}", at.get());
        }
    };
    for (_, vma) in mm.iter() {
        for Run { range, leaf } in pager.tables().walk(va_range(vma.range())) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Huge(slot) => {
                    for at in range.page_addresses() {
                        line(at, bits(&pager, vma, slot.entry(), at.pte_index() as u64));
                    }
                }
                Leaf::Table(table) => {
                    for slot in table.slots(range) {
                        line(slot.va(), bits(&pager, vma, slot.get(), 0));
                    }
                }
            }
        }
    }
    text
}

/// What reading the file as root gives for an entry; of a huge one, for its page `index`.
fn bits<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, entry: Entry<A>, index: u64) -> Option<u64> {
    let when = |condition: bool, bit: u64| if condition { bit } else { 0 };
    let soft_dirty = entry.soft_dirty() || vma.flags().contains(VmFlags::SOFTDIRTY);
    let common = when(soft_dirty, SOFT_DIRTY) | when(entry.uffd_wp(), UFFD_WP);
    let absent = |kind: u64, offset: u64| SWAP | common | kind | offset << 5;
    Some(match entry.view() {
        EntryView::None => return None,
        EntryView::Present(page) => {
            let PageState::Present {
                exclusive, file, ..
            } = present(pager, page, index, false)
            else {
                return None;
            };
            let flags = when(exclusive, EXCLUSIVE) | when(file, FILE);
            PRESENT | common | flags | page.pfn.add(index).get()
        }
        EntryView::Swap(swapped) => absent(swapped.slot.device.into(), swapped.slot.offset),
        EntryView::Marker(marker) => {
            let guard = when(marker.contains(Marker::GUARD), GUARD);
            absent(TYPE_MARKER, marker.bits().into()) | guard
        }
        EntryView::HwPoison(pfn) => absent(TYPE_HWPOISON, pfn.get()),
        EntryView::Migration(moving) => absent(TYPE_MIGRATION, moving.pfn.get()),
        EntryView::Device(_, pfn) => absent(TYPE_MIGRATION, pfn.get()),
    })
}
