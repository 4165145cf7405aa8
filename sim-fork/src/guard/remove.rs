//! `MADV_GUARD_REMOVE` (`mm/madvise.c: madvise_guard_remove()`, 6.19).

use sim_core::PageRange;
use sim_pagetable::{Arch, Entry, Leaf, Run};

use crate::pager::Pager;
use crate::va::va_range;

/// Clears the guards of a range. Pages, tables and the VMA's flag stay.
pub(crate) fn remove<A: Arch>(pager: &Pager<'_, A>, range: PageRange) {
    for Run { range, leaf } in pager.tables().walk(va_range(range)) {
        if let Leaf::Table(table) = leaf {
            for slot in table.slots(range) {
                if slot.get().is_guard() {
                    slot.set(Entry::NONE);
                }
            }
        }
    }
}
