//! `MADV_COLD` and `MADV_PAGEOUT` (`mm/madvise.c: madvise_cold_or_pageout_pte_range()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{Advice, Errno, Outcome, PageRange};
use sim_pagetable::{Arch, FrameFlags, Leaf, Pfn, PmdSlot, VaRange};

use super::large::{Entries, Part};
use crate::machine::Machine;
use crate::pager::{Pager, Seen};
use crate::process::Process;
use crate::reclaim::{self, Whole};
use crate::thp::folio::{Folio, Held};
use crate::va::addr;
use crate::{folio, thp};

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Deactivates.
    Cold,
    /// Reclaims.
    Pageout,
}

/// Deactivates or reclaims the pages of a range.
pub(super) fn madvise<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: PageRange,
    advice: Advice,
) -> Outcome {
    let pager = Pager::new(machine.shared(), &process.space.pages);
    let kind = if advice == Advice::Cold {
        Kind::Cold
    } else {
        Kind::Pageout
    };
    let mm = process.space.read_recursive();
    let done = mm.madvise_pages::<Errno>(range, advice, |_, vma, part| {
        for block in Part::all_of(&pager, vma, part) {
            cool_block(machine, &block, kind);
        }
        Ok(())
    });
    done.into()
}

/// The pages of one 2 MiB block.
fn cool_block<A: Arch, S: VmaStore>(machine: &Machine<A, S>, part: &Part<'_, A>, kind: Kind) {
    let pager = part.pager;
    if let Leaf::Huge(slot) = pager.tables().leaf(part.range.start()) {
        let Some(head) = Pager::normal_page(slot.entry()) else {
            return;
        };
        if pager.frames().is_maybe_shared(head) {
            return;
        }
        if part.range.is_huge_block() {
            match kind {
                Kind::Cold => pager.cool_huge(&slot, head),
                Kind::Pageout => {
                    drop(slot);
                    pageout_whole(machine, part, head);
                }
            }
            return;
        }
        drop(slot);
        if !part.split_huge(machine, Held::Mmap) {
            return;
        }
    }
    let mut picked = Vec::new();
    part.for_each(machine, Held::Mmap, |entries| {
        picked.extend(pager.pick(entries, kind));
    });
    for Picked { range, page } in picked {
        if pager.frames().is_large(page) {
            pageout_whole(machine, &Part { range, ..*part }, page);
        } else {
            reclaim::pageout(pager, part.vma, addr(range.start()), page);
        }
    }
}

/// Reclaims a huge page that nobody else maps, as it is or in pieces.
fn pageout_whole<A: Arch, S: VmaStore>(machine: &Machine<A, S>, part: &Part<'_, A>, head: Pfn) {
    let Part { pager, vma, range } = *part;
    if !folio::is_anon(pager.frames(), head) {
        let folio = Folio::mapped_at(pager.frames(), vma, addr(range.start()), head);
        reclaim::pageout_large(machine, folio);
        return;
    }
    if reclaim::pageout_whole(pager, vma, range, head) == Whole::Settled {
        return;
    }
    let folio = Folio::mapped_at(pager.frames(), vma, addr(range.start()), head);
    if !thp::folio::split(machine, folio, Held::Mmap) {
        return;
    }
    for at in range.page_addresses() {
        let Seen::Pte(entry) = pager.seen(at) else {
            continue;
        };
        if let Some(pfn) = Pager::normal_page(entry) {
            reclaim::pageout(pager, vma, addr(at), pfn);
        }
    }
}

/// A page, or a huge one, that is to be reclaimed.
struct Picked {
    range: VaRange,
    page: Pfn,
}

impl<A: Arch> Pager<'_, A> {
    fn cool_huge(&self, slot: &PmdSlot<'_, A>, head: Pfn) {
        slot.change(slot.entry().mk_old());
        self.frames().meta(head).clear_flags(FrameFlags::REFERENCED);
        self.shared.lru.deactivate(self.frames(), head);
    }

    /// Cools pages that nobody else maps; returns what is to be reclaimed.
    fn pick(&self, entries: Entries<'_, A>, kind: Kind) -> Option<Picked> {
        let (range, page) = match &entries {
            Entries::One(slot) => (VaRange::page(slot.va()), Self::normal_page(slot.get())?),
            Entries::Folio(_, range, head) => (*range, *head),
        };
        let frames = self.frames();
        if u64::from(frames.folio_mapcount(page)) != range.pages() {
            return None;
        }
        frames.meta(page).clear_flags(FrameFlags::REFERENCED);
        if kind == Kind::Pageout {
            return Some(Picked { range, page });
        }
        match entries {
            Entries::One(slot) => slot.set(slot.get().mk_old()),
            Entries::Folio(table, range, _) => {
                for slot in table.slots(range) {
                    slot.set(slot.get().mk_old());
                }
            }
        }
        self.shared.lru.deactivate(frames, page);
        None
    }
}
