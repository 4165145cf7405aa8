//! How advice goes through the entries of a PTE table: huge folios that are mapped in part only are
//! split, so that the advice reaches no other page (`mm/madvise.c: madvise_folio_pte_batch()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{PageRange, Vma};
use sim_pagetable::{Arch, Leaf, Pfn, PteSlot, PteTable, VaRange};

use crate::machine::Machine;
use crate::pager::Pager;
use crate::row::{self, Differ};
use crate::thp::folio::{self, Folio, Held};
use crate::va::{addr, va_range};

/// What advice is given about a part of one table.
pub(super) struct Part<'a, A: Arch> {
    pub(super) pager: &'a Pager<'a, A>,
    pub(super) vma: &'a Vma,
    pub(super) range: VaRange,
}

/// Entries that are one to advice.
pub(super) enum Entries<'t, A: Arch> {
    /// A single one, of whatever kind.
    One(PteSlot<'t, A>),
    /// All of a huge folio, in order, beginning with its head.
    Folio(&'t PteTable<'t, A>, VaRange, Pfn),
}

/// A folio that is mapped in part.
struct Partial {
    /// Entries that map it in a row.
    row: VaRange,
    /// What the first one maps.
    page: Pfn,
}

impl<'a, A: Arch> Part<'a, A> {
    /// The parts of a range, of which tables have something. What waits in batches is settled first.
    pub(super) fn all_of(pager: &'a Pager<'a, A>, vma: &'a Vma, range: PageRange) -> Vec<Self> {
        pager.shared.drain_lru();
        let blocks = pager.tables().walk(va_range(range));
        let part = |range| Self { pager, vma, range };
        blocks.map(|run| part(run.range)).collect()
    }
}

impl<A: Arch> Part<'_, A> {
    /// Calls `act` for all entries. Huge folios of which the part maps less than everything, in
    /// order, are split and come as single pages; where others may have them too, or they cannot be
    /// split, they are left out.
    pub(super) fn for_each<S: VmaStore>(
        &self,
        machine: &Machine<A, S>,
        held: Held,
        mut act: impl FnMut(Entries<'_, A>),
    ) {
        let mut rest = self.range;
        while !rest.is_empty()
            && let Some(Partial { row, page }) = self.up_to_partial(rest, &mut act)
        {
            let at = addr(row.start());
            let folio = Folio::mapped_at(self.pager.frames(), self.vma, at, page);
            let split = folio::split(machine, folio, held);
            let next = if split { row.start() } else { row.end() };
            rest = VaRange::new(next, rest.end());
        }
    }

    /// Goes on until there is a folio to split.
    fn up_to_partial(
        &self,
        range: VaRange,
        act: &mut impl FnMut(Entries<'_, A>),
    ) -> Option<Partial> {
        let frames = self.pager.frames();
        let Leaf::Table(table) = self.pager.tables().leaf(range.start()) else {
            return None;
        };
        let mut at = range.start();
        while at < range.end() {
            let slot = table.slot(at);
            let page = Pager::normal_page(slot.get()).filter(|&pfn| frames.is_large(pfn));
            let Some(page) = page else {
                act(Entries::One(slot));
                at = at.add(sim_core::PAGE_SIZE);
                continue;
            };
            let entries = table.slots(VaRange::new(at, range.end()));
            let pages = row::length(frames, entries.map(PteSlot::get), Differ::InRights);
            let row = VaRange::new(at, at.add(pages * sim_core::PAGE_SIZE));
            if row.pages() == frames.folio_pages(page) {
                act(Entries::Folio(&table, row, page));
            } else if !frames.is_maybe_shared(page) {
                return Some(Partial { row, page });
            }
            at = row.end();
        }
        None
    }
}
