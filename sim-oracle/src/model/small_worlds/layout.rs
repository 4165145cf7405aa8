//! Where the VMAs of a small world are.

use super::kind::{KINDS, Kind};

/// The first page of a world.
pub(super) const BASE: u64 = 0x10000;
/// Pages in a world.
pub(super) const PAGES: usize = 6;
/// VMAs in a world.
const MOST: usize = 4;

/// VMAs: first page, page after the last, kind.
pub(super) type Layout = Vec<(usize, usize, Kind)>;

/// Every way to have up to four VMAs, without their kinds.
pub(super) fn shapes() -> Vec<Vec<(usize, usize)>> {
    fn extend(from: usize, have: &[(usize, usize)], all: &mut Vec<Vec<(usize, usize)>>) {
        if !have.is_empty() {
            all.push(have.to_vec());
        }
        if have.len() == MOST {
            return;
        }
        for start in from..PAGES {
            for end in start + 1..=PAGES {
                extend(end, &[have, &[(start, end)]].concat(), all);
            }
        }
    }
    let mut all = Vec::new();
    extend(0, &[], &mut all);
    all
}

/// The `index`-th choice of kinds for a shape.
pub(super) fn layout(shape: &[(usize, usize)], mut index: usize) -> Layout {
    let with_kind = shape.iter().map(|&(start, end)| {
        let kind = KINDS[index % KINDS.len()];
        index /= KINDS.len();
        (start, end, kind)
    });
    with_kind.collect()
}
