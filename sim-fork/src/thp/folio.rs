//! Splitting a huge folio into 512 pages, whoever maps them (`mm/huge_memory.c: __folio_split()`,
//! `mm/migrate.c: remove_migration_ptes()`, 6.18).

use std::ops::ControlFlow;
use std::sync::Arc;

use sim_core::VmFlags;
use sim_core::store::VmaStore;
use sim_core::{VirtAddr, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Frames, HUGE_PAGES, Leaf, Pfn, Run};

use super::split as mapping;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::space::AddressSpace;
use crate::va::{addr, va, va_range};

/// An entry that maps a page of the folio.
struct Mapping<A: Arch, S: VmaStore> {
    space: Arc<AddressSpace<A, S>>,
    at: VirtAddr,
}

/// Splits an anonymous folio and its huge mappings; pages that contain only zeroes are replaced by
/// the zero page. False if somebody else holds it. The caller holds no page-table lock.
pub(crate) fn split<A: Arch, S: VmaStore>(machine: &Machine<A, S>, head: Pfn) -> bool {
    let frames = &machine.shared().frames;
    if frames.refs(head) != frames.folio_mapcount(head) {
        return false;
    }
    let mut found = Vec::new();
    for space in machine.spaces() {
        if collect(machine, &space, head, &mut found).is_break() {
            break;
        }
    }
    machine.shared().lru.drain_mlocked(frames);
    frames.split_folio(head, 0);
    for mapping in found {
        use_zero_page(machine, &mapping);
    }
    true
}

/// The entries of an address space that map the folio; its huge mappings are split. Breaks when
/// all are found.
fn collect<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &Arc<AddressSpace<A, S>>,
    head: Pfn,
    found: &mut Vec<Mapping<A, S>>,
) -> ControlFlow<()> {
    let frames = &machine.shared().frames;
    let pager = Pager::new(machine.shared(), &space.pages);
    let mm = space.read_recursive();
    for (_, vma) in mm.iter() {
        for Run { range, leaf } in pager.tables().walk(va_range(vma.range())) {
            let leaf = match leaf {
                Leaf::Huge(slot) if slot.entry().pfn() == Some(head) => {
                    drop(slot);
                    mapping::split(&pager, vma, range.start());
                    pager.tables().leaf(range.start())
                }
                other @ (Leaf::Huge(_) | Leaf::Table(_) | Leaf::Absent) => other,
            };
            let Leaf::Table(table) = leaf else { continue };
            for page in range.page_addresses() {
                if maps(table.get(page), frames, head) {
                    found.push(Mapping {
                        space: Arc::clone(space),
                        at: addr(page),
                    });
                }
            }
            let all = frames.entire_mapcount(head) == 0
                && found.len() as u64 == u64::from(frames.folio_mapcount(head));
            if all {
                return ControlFlow::Break(());
            }
        }
    }
    ControlFlow::Continue(())
}

fn maps<A: Arch>(entry: Entry<A>, frames: &Frames, head: Pfn) -> bool {
    let page = Pager::normal_page(entry);
    page.is_some_and(|pfn| frames.head(pfn) == head && pfn.get() - head.get() < HUGE_PAGES)
}

/// Maps the zero page instead of a page that contains only zeroes
/// (`mm/migrate.c: try_to_map_unused_to_zeropage()`).
fn use_zero_page<A: Arch, S: VmaStore>(machine: &Machine<A, S>, mapping: &Mapping<A, S>) {
    let pager = Pager::new(machine.shared(), &mapping.space.pages);
    let mm = mapping.space.read_recursive();
    let Some(id) = mm.vma_lookup(mapping.at) else {
        return;
    };
    let vma = mm.vma(id);
    let Leaf::Table(table) = pager.tables().leaf(va(mapping.at)) else {
        return;
    };
    let old = table.get(va(mapping.at));
    let Some(pfn) = Pager::normal_page(old) else {
        return;
    };
    if !may_use_zero_page(&pager, vma, pfn) {
        return;
    }
    let zero = Entry::page(Pfn::ZERO_PAGE, pager.page_prot(vma))
        .mk_special()
        .with_soft_dirty(old.is_soft_dirty())
        .with_uffd_wp(old.is_uffd_wp());
    table.set(va(mapping.at), zero);
    drop(table);
    pager.account_unmap(vma, pfn, RssKind::Anon);
}

fn may_use_zero_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, pfn: Pfn) -> bool {
    let meta = pager.frames().meta(pfn);
    meta.tag() == 0 && !meta.has(FrameFlags::MLOCKED) && !vma.flags().contains(VmFlags::LOCKED)
}
