//! Search within a node.

/// Keys in a cache line.
const LINE: usize = 8;

/// How many of the ascending `keys` are at most `addr`.
///
/// Unused keys are `u64::MAX` and `addr` is below that, so that the length of the node does not
/// matter and there is no branch to mispredict: the first pass counts the cache lines that are
/// passed over, the second one the keys within one line.
#[inline]
pub(super) fn count_le<const N: usize>(keys: &[u64; N], addr: u64) -> usize {
    const { assert!(N.is_multiple_of(LINE), "whole cache lines") };
    let mut lines = 0;
    let mut last = LINE - 1;
    while last < N - 1 {
        lines += usize::from(keys[last] <= addr);
        last += LINE;
    }
    let line = &keys[lines * LINE..(lines + 1) * LINE];
    lines * LINE
        + line
            .iter()
            .map(|key| usize::from(*key <= addr))
            .sum::<usize>()
}

/// The same where keys can only be had one by one.
#[inline]
pub(super) fn count_le_by<const N: usize>(key: impl Fn(usize) -> u64, addr: u64) -> usize {
    const { assert!(N.is_multiple_of(LINE), "whole cache lines") };
    let lines = (0..N / LINE - 1)
        .map(|line| usize::from(key(line * LINE + LINE - 1) <= addr))
        .sum::<usize>();
    let within = (lines * LINE..(lines + 1) * LINE).map(|slot| usize::from(key(slot) <= addr));
    lines * LINE + within.sum::<usize>()
}

/// `addr` as a search key: below the mark of unused keys. Keys are page-aligned, so nothing is
/// between the two.
#[inline]
pub(super) fn search_key(addr: u64) -> u64 {
    addr.min(u64::MAX - 1)
}
