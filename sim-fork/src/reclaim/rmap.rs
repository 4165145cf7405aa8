//! Who maps a page: what Linux finds through `anon_vma` and `i_mmap` trees (`mm/rmap.c`).

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_core::store::VmaStore;
use sim_core::{VirtAddr, VmFlags};
use sim_pagetable::{Arch, Leaf, Pfn, Run};

use crate::machine::Machine;
use crate::pager::Pager;
use crate::space::AddressSpace;
use crate::va::{addr, va, va_range};

/// One entry that maps a page.
#[derive(Debug)]
pub(super) struct Mapping<A: Arch, S: VmaStore> {
    /// Where.
    pub(super) space: Arc<AddressSpace<A, S>>,
    /// At which address.
    pub(super) at: VirtAddr,
}

/// Every single page that page tables map and that reclaim may take, with its mappings, by frame
/// number. Huge pages and locked VMAs are left out.
pub(super) fn collect<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
) -> BTreeMap<Pfn, Vec<Mapping<A, S>>> {
    let mut found: BTreeMap<Pfn, Vec<Mapping<A, S>>> = BTreeMap::new();
    let frames = &machine.shared().frames;
    for space in machine.spaces() {
        let mm = space.read_recursive();
        for (_, vma) in mm.iter() {
            if vma.flags().intersects(VmFlags::LOCKED | VmFlags::PFNMAP) {
                continue;
            }
            for Run { range, leaf } in space.pages.tables.walk(va_range(vma.range())) {
                let Leaf::Table(table) = leaf else { continue };
                for page in range.page_addresses() {
                    let Some(pfn) = Pager::<A>::normal_page(table.get(page)) else {
                        continue;
                    };
                    if !frames.is_large(pfn) {
                        found.entry(pfn).or_default().push(Mapping {
                            space: Arc::clone(&space),
                            at: addr(page),
                        });
                    }
                }
            }
        }
    }
    // A page that is mapped elsewhere too (in a locked VMA) stays.
    found.retain(|&pfn, mappings| frames.page_mapcount(pfn) as usize == mappings.len());
    found
}

/// Was the page accessed through one of its mappings? Forgets it (`folio_referenced()`).
pub(super) fn test_and_clear_young<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    mappings: &[Mapping<A, S>],
) -> bool {
    let mut young = false;
    for mapping in mappings {
        let pager = Pager::new(machine.shared(), &mapping.space.pages);
        if let Leaf::Table(table) = pager.tables().leaf(va(mapping.at)) {
            let entry = table.get(va(mapping.at));
            young |= entry.is_young();
            table.set(va(mapping.at), entry.mk_old());
        }
    }
    young
}
