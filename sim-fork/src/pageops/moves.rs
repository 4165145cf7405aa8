//! Moving entries (`mm/mremap.c: move_page_tables()`, 6.19).

use sim_core::{MoveFailed, PAGE_SIZE, PageRange, TableMove, UffdFeatures, Vma};
use sim_pagetable::{Arch, Entry, Marker, MoveRequest};

use crate::pager::Pager;
use crate::thp;
use crate::va::{va, va_range};

impl<A: Arch> Pager<'_, A> {
    /// Moves the entries of a range of `from`. Write protection stays behind unless the
    /// userfaultfd hears of moves.
    pub(crate) fn move_entries(&self, from: &Vma, what: TableMove) -> Result<(), MoveFailed> {
        let hears = self
            .shared
            .uffd_features()
            .contains(UffdFeatures::EVENT_REMAP);
        let loses_protection = from.uffd().is_some() && !hears;
        let request = MoveRequest {
            from: va_range(what.from),
            to: va(what.to),
            whole_tables: !loses_protection,
            deposits: from.is_anon(),
        };
        let remap = |entry: Entry<A>| {
            if loses_protection {
                moved(unprotected(entry))
            } else {
                moved(entry)
            }
        };
        let split = |_: &_, at| thp::mapping::split(self, from, at);
        match self.tables().move_range(request, remap, split) {
            Ok(flush) => {
                self.tables().flush(flush);
                Ok(())
            }
            Err(stopped) => {
                self.tables().flush(stopped.flush);
                Err(MoveFailed {
                    moved_pages: stopped.moved / PAGE_SIZE,
                })
            }
        }
    }

    /// Splits the huge page around `at` if a VMA's end is about to come to lie inside it.
    pub(crate) fn split_around(&self, vma: &Vma, at: sim_core::VirtAddr) {
        let block = PageRange::from_pages(at.pmd_down(), sim_core::PMD_PAGES);
        if !at.is_pmd_aligned() && vma.range().contains_range(block) {
            thp::mapping::split(self, vma, va(at));
        }
    }
}

/// A moved entry counts as changed (`move_soft_dirty_pte()`).
fn moved<A: Arch>(entry: Entry<A>) -> Entry<A> {
    if entry.is_none() {
        entry
    } else {
        entry.with_soft_dirty(true)
    }
}

fn unprotected<A: Arch>(entry: Entry<A>) -> Entry<A> {
    match entry.as_marker() {
        Some(Marker::UFFD_WP) => Entry::NONE,
        Some(_) => entry,
        None => entry.with_uffd_wp(false),
    }
}
