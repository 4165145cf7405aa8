//! Gap search without an index, for the stores that keep none: O(entries in the window).

use crate::{Bytes, PageRange, VirtAddr};

use super::Entry;

/// The gap `[start, end)` if it is one and holds `len` bytes.
pub(in crate::store) fn fitting(start: VirtAddr, end: VirtAddr, len: Bytes) -> Option<PageRange> {
    let gap = PageRange::try_new(start, end)?;
    (!gap.is_empty() && gap.len() >= len).then_some(gap)
}

/// The lowest gap of at least `len` bytes, given the entries that end above `within`, ascending.
pub(super) fn lowest(
    ascending: impl Iterator<Item = Entry>,
    within: PageRange,
    len: Bytes,
) -> Option<PageRange> {
    let mut free_from = within.start();
    for entry in ascending {
        let free_to = entry.range.start().min(within.end());
        if let Some(gap) = fitting(free_from, free_to, len) {
            return Some(gap);
        }
        free_from = free_from.max(entry.range.end());
        if free_from >= within.end() {
            return None;
        }
    }
    fitting(free_from, within.end(), len)
}

/// The highest gap of at least `len` bytes, given the entries that start below `within`'s end,
/// descending.
pub(super) fn highest(
    descending: impl Iterator<Item = Entry>,
    within: PageRange,
    len: Bytes,
) -> Option<PageRange> {
    let mut free_to = within.end();
    for entry in descending {
        let free_from = entry.range.end().max(within.start());
        if let Some(gap) = fitting(free_from, free_to, len) {
            return Some(gap);
        }
        free_to = free_to.min(entry.range.start());
        if free_to <= within.start() {
            return None;
        }
    }
    fitting(within.start(), free_to, len)
}
