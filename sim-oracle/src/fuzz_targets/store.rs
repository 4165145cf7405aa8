//! Any bytes as changes of a VMA store, beside a `BTreeMap` of starts and ends.

use std::collections::BTreeMap;

use sim_core::store::{DefaultStore, VmaId, VmaStore};
use sim_core::{Bytes, PAGE_SIZE, PageRange, VirtAddr};

use super::Input;

/// Pages that may be in use: enough for a tree of some height.
const PAGES: u64 = 4096;

/// What the store must be: start to end and id, in page numbers.
type Plain = BTreeMap<u64, (u64, u32)>;

/// Reads bytes as changes; after each the store must answer as the map does.
///
/// # Panics
/// If it does not, or an invariant is broken.
pub fn store_against_btreemap(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut store = DefaultStore::default();
    let mut plain = Plain::new();
    let mut next_id = 0;
    while !input.is_empty() {
        let op = input.byte();
        let at = (u64::from(input.byte()) * 256 + u64::from(input.byte())) % PAGES;
        let len = u64::from(op >> 3) + 1;
        match op % 8 {
            // Many at once, so that nodes fill up.
            0 => {
                for i in 0..len {
                    insert(&mut store, &mut plain, (at + 3 * i, 2), &mut next_id);
                }
            }
            1..=3 => insert(&mut store, &mut plain, (at, len), &mut next_id),
            4 | 5 => remove(&mut store, &mut plain, at),
            6 => resize(&mut store, &mut plain, at, len),
            _ => {
                for _ in 0..len {
                    remove(&mut store, &mut plain, at);
                }
            }
        }
        store.check_invariants();
        same_around(&store, &plain, at);
        same_gaps(&store, &plain, at, len);
    }
    same_entries(&store, &plain);
}

fn page(number: u64) -> VirtAddr {
    VirtAddr::new(number * PAGE_SIZE)
}

fn pages(start: u64, end: u64) -> PageRange {
    PageRange::new(page(start), page(end))
}

/// The entry with this page, or the first one above it.
fn find(plain: &Plain, at: u64) -> Option<(u64, u64, u32)> {
    let found = plain.iter().find(|(_, (end, _))| *end > at);
    found.map(|(&start, &(end, id))| (start, end, id))
}

fn insert(store: &mut DefaultStore, plain: &mut Plain, (start, len): (u64, u64), next: &mut u32) {
    let end = start + len;
    if find(plain, start).is_some_and(|(above, ..)| above < end) {
        return;
    }
    store.reserve(1).expect("memory is not short");
    store.insert(pages(start, end), VmaId(*next));
    plain.insert(start, (end, *next));
    *next += 1;
}

fn remove(store: &mut DefaultStore, plain: &mut Plain, at: u64) {
    if let Some((start, end, id)) = find(plain, at) {
        let entry = store.remove(page(start));
        assert_eq!((entry.range, entry.id), (pages(start, end), VmaId(id)));
        plain.remove(&start);
    }
}

/// Lets an entry grow up to `len` pages on both sides, as far as there is room, or shrink.
fn resize(store: &mut DefaultStore, plain: &mut Plain, at: u64, len: u64) {
    let Some((start, end, id)) = find(plain, at) else {
        return;
    };
    let below = plain
        .range(..start)
        .next_back()
        .map_or(0, |(_, (end, _))| *end);
    let above = find(plain, end).map_or(u64::MAX, |(start, ..)| start);
    let (from, to) = if len.is_multiple_of(2) {
        (
            start.saturating_sub(len).max(below),
            (end + len / 2).min(above),
        )
    } else {
        (start, start + (end - start).div_ceil(2))
    };
    store.resize(page(start), pages(from, to));
    plain.remove(&start);
    plain.insert(from, (to, id));
}

fn same_around(store: &DefaultStore, plain: &Plain, at: u64) {
    let expected = find(plain, at).map(|(start, end, id)| (pages(start, end), VmaId(id)));
    let found = store.find(page(at)).map(|entry| (entry.range, entry.id));
    assert_eq!(found, expected, "first above page {at}");
    let holds = expected.filter(|(range, _)| range.contains(page(at)));
    let got = store.get(page(at)).map(|entry| (entry.range, entry.id));
    assert_eq!(got, holds, "at page {at}");
    let around = store.neighbours(page(at));
    let prev = plain.range(..at).next_back().map(|(&start, _)| page(start));
    let next = plain.range(at..).next().map(|(&start, _)| page(start));
    assert_eq!(
        around.prev.map(|entry| entry.range.start()),
        prev,
        "below page {at}"
    );
    assert_eq!(
        around.next.map(|entry| entry.range.start()),
        next,
        "from page {at}"
    );
    assert_eq!(store.len(), plain.len());
}

/// All gaps of at least `len` pages between page `at` and the end.
fn same_gaps(store: &DefaultStore, plain: &Plain, at: u64, len: u64) {
    let (low, high) = (at.min(PAGES / 2), PAGES);
    let starts = plain.keys().copied().chain([u64::MAX / PAGE_SIZE]);
    let ends = std::iter::once(0).chain(plain.values().map(|(end, _)| *end));
    let gaps = ends.zip(starts).filter_map(|(from, to)| {
        let (from, to) = (from.max(low), to.min(high));
        (from < to && to - from >= len).then(|| pages(from, to))
    });
    let gaps: Vec<_> = gaps.collect();
    let (within, bytes) = (pages(low, high), Bytes::from_pages(len));
    assert_eq!(store.lowest_gap(within, bytes), gaps.first().copied());
    assert_eq!(store.highest_gap(within, bytes), gaps.last().copied());
}

fn same_entries(store: &DefaultStore, plain: &Plain) {
    let found = store
        .iter_from(VirtAddr::ZERO)
        .map(|entry| (entry.range, entry.id));
    let expected = plain
        .iter()
        .map(|(&start, &(end, id))| (pages(start, end), VmaId(id)));
    assert!(found.eq(expected), "the entries in order");
}
