//! Cases of the kernel's tests of the maple tree (T-01 to T-26), on every store. What the kernel does
//! in one store over existing entries is cutting, removing and inserting here.

use crate::{Bytes, PAGE_SIZE, PageRange, VirtAddr};

use super::{BTreeStore, MapleStore, RangeMapStore, VmaId, VmaStore};

fn page(number: u64) -> VirtAddr {
    VirtAddr::new(number * PAGE_SIZE)
}

/// Pages from the first to the last one, as the kernel's tests count.
fn closed(first: u64, last: u64) -> PageRange {
    PageRange::new(page(first), page(last + 1))
}

/// Empties a range: cuts what sticks out, removes what is inside.
fn clear<S: VmaStore>(store: &mut S, range: PageRange) {
    store.begin_change();
    while let Some(entry) = store.find(range.start()) {
        let found = entry.range;
        if found.start() >= range.end() {
            break;
        }
        store.remove(found.start());
        store.reserve(2).expect("memory");
        if found.start() < range.start() {
            store.insert(PageRange::new(found.start(), range.start()), entry.id);
        }
        if found.end() > range.end() {
            store.insert(PageRange::new(range.end(), found.end()), entry.id);
        }
    }
    store.end_change();
}

/// Stores over whatever is there.
fn put<S: VmaStore>(store: &mut S, range: PageRange, id: u32) {
    store.begin_change();
    clear(store, range);
    store.reserve(1).expect("memory");
    store.insert(range, VmaId(id));
    store.end_change();
    store.check_invariants();
}

fn load<S: VmaStore>(store: &S, number: u64) -> Option<u32> {
    store.get(page(number)).map(|entry| entry.id.0)
}

/// Single pages 0 to `last`, each with its number as id.
fn singletons<S: VmaStore>(last: u64) -> S {
    let mut store = S::default();
    for n in 0..=last {
        put(&mut store, closed(n, n), n as u32);
    }
    store
}

/// `count` ranges of ten pages, with their numbers.
fn tens<S: VmaStore>(count: u64) -> S {
    let mut store = S::default();
    for n in 0..count {
        store.insert(closed(10 * n, 10 * n + 9), VmaId(n as u32));
    }
    store.check_invariants();
    store
}

fn t01_a_store_overwrites<S: VmaStore>() {
    let mut store = S::default();
    put(&mut store, closed(10, 15), 1);
    put(&mut store, closed(20, 25), 2);
    put(&mut store, closed(17, 22), 3);
    for n in 0..30 {
        let want = match n {
            10..=15 => Some(1),
            17..=22 => Some(3),
            23..=25 => Some(2),
            _ => None,
        };
        assert_eq!(load(&store, n), want, "T-01: page {n}");
    }
}

fn t02_t03_ranges_over_single_pages<S: VmaStore>() {
    let mut store: S = singletons(400);
    put(&mut store, closed(118, 128), 1000);
    for range in [closed(130, 135), closed(140, 143)] {
        clear(&mut store, range);
    }
    let wants = [
        (118, Some(1000)),
        (127, Some(1000)),
        (128, Some(1000)),
        (129, Some(129)),
        (135, None),
        (140, None),
    ];
    for (n, want) in wants {
        assert_eq!(load(&store, n), want, "T-02: page {n}");
    }
    clear(&mut store, closed(352, 364));
    put(&mut store, closed(351, 363), 1001);
    let wants = [
        (350, Some(350)),
        (351, Some(1001)),
        (363, Some(1001)),
        (364, None),
        (365, Some(365)),
    ];
    for (n, want) in wants {
        assert_eq!(load(&store, n), want, "T-03: page {n}");
    }
    put(&mut store, closed(351, 364), 1002);
    assert!((144..=400).all(|n| load(&store, n).is_some()), "T-03");
}

fn t04_overlapping_stores<S: VmaStore>() {
    let mut store = S::default();
    let mut model = vec![None; 2000];
    for n in 0..400_u64 {
        let first = n * 37 % 1900;
        let last = first + n * 13 % 90;
        put(&mut store, closed(first, last), n as u32);
        model[first as usize..=last as usize].fill(Some(n as u32));
    }
    for (n, want) in model.into_iter().enumerate() {
        assert_eq!(load(&store, n as u64), want, "T-04: page {n}");
    }
}

fn t05_t06_sequences_and_sparse_pages<S: VmaStore>() {
    let down: Vec<u64> = (0..600).rev().collect();
    for order in [(0..600).collect(), down] {
        let mut store = S::default();
        for (done, &n) in order.iter().enumerate() {
            store.insert(closed(n, n), VmaId(n as u32));
            assert_eq!(load(&store, n), Some(n as u32), "T-05");
            assert_eq!(store.len(), done + 1, "T-05");
        }
        store.check_invariants();
        assert!((0..600).all(|n| load(&store, n) == Some(n as u32)), "T-05");
        assert_eq!(load(&store, 600), None, "T-05");
    }
    let mut store = S::default();
    let powers: Vec<u64> = (2..30).map(|bit| 1 << bit).collect();
    for &n in &powers {
        store.insert(closed(n, n), VmaId(7));
    }
    for &n in &powers {
        let around = [n - 1, n, n + 1].map(|n| load(&store, n));
        assert_eq!(around, [None, Some(7), None], "T-06: page {n}");
    }
}

fn t07_t08_finding_and_limits<S: VmaStore>() {
    let mut store = S::default();
    for bit in 0..12 {
        store.insert(closed(1 << bit, 1 << bit), VmaId(bit));
    }
    let next = store.find(page(17)).map(|entry| entry.range.start());
    assert_eq!(next, Some(page(32)), "T-07: the first one above");
    let below = |limit| {
        let entries = store.iter_from(page(17));
        entries
            .take_while(|e| e.range.start() <= page(limit))
            .count()
    };
    assert_eq!((below(512), below(20)), (5, 0), "T-07");
    let all: Vec<u64> = store
        .iter_from(VirtAddr::ZERO)
        .map(|entry| entry.range.start().page_number())
        .collect();
    assert!(all.is_sorted() && all.len() == 12, "T-07: each once");

    let mut store = S::default();
    for n in 0..20 {
        store.insert(closed(10 * n, 10 * n + 5), VmaId(n as u32));
    }
    let prev = |n| {
        let found = store.neighbours(page(n)).prev;
        found.map(|entry| entry.range)
    };
    assert_eq!(prev(20), Some(closed(10, 15)), "T-08: ends below 19");
    assert_eq!(prev(80), Some(closed(70, 75)), "T-08: ends below 76");
}

fn t09_t10_roots_and_iteration<S: VmaStore>() {
    let mut store = S::default();
    let everything = PageRange::new(VirtAddr::ZERO, page(1 << 30));
    let gap = |store: &S| store.lowest_gap(everything, Bytes(PAGE_SIZE));
    assert_eq!(load(&store, 0), None, "T-09");
    assert_eq!(gap(&store), Some(everything), "T-09: nothing");
    store.insert(closed(0, 0), VmaId(1));
    let rest = PageRange::new(page(1), everything.end());
    assert_eq!((load(&store, 5), gap(&store)), (None, Some(rest)), "T-09");

    let part = [(767, 769), (765, 767), (767, 768)];
    for (first, last) in part {
        let mut store: S = tens(100);
        let before: Vec<_> = store.iter_from(page(770)).collect();
        put(&mut store, closed(first, last), 5000);
        let after: Vec<_> = store.iter_from(page(770)).collect();
        assert_eq!(
            before, after,
            "T-10: what follows is neither lost nor repeated"
        );
        let rest = store.find(page(last + 1)).map(|entry| entry.range);
        let want = if last < 769 {
            closed(last + 1, 769)
        } else {
            closed(770, 779)
        };
        assert_eq!(rest, Some(want), "T-10");
    }
}

fn t11_t13_gaps_combine<S: VmaStore>() {
    let mut store: S = singletons(1000);
    for (first, last, from) in [(75, 76, 50), (44, 46, 20), (300, 340, 200), (900, 905, 850)] {
        for n in first..=last {
            store.remove(page(n));
            store.check_invariants();
        }
        let pages = last - first + 1;
        let within = closed(from, last + 40);
        let found = store.lowest_gap(within, Bytes::from_pages(pages));
        assert_eq!(found, Some(closed(first, last)), "T-11, T-13");
        let more = store.lowest_gap(within, Bytes::from_pages(pages + 1));
        assert_eq!(more, None, "T-11");
    }
    clear(&mut store, closed(899, 899));
    let found = store.lowest_gap(closed(850, 950), Bytes::from_pages(7));
    assert_eq!(
        found,
        Some(closed(899, 905)),
        "T-13: one range with what was empty"
    );
}

fn t12_t26_clearing_over_many_nodes<S: VmaStore>() {
    let cleared = [
        (1200, 2380),
        (9, 50_006),
        (0, 12_900),
        (43_200, 49_999),
        (310, 629),
        (0, 49_999),
    ];
    for (first, last) in cleared {
        let mut store: S = tens(5000);
        clear(&mut store, closed(first, last));
        store.check_invariants();
        for n in (0..50_000).step_by(7) {
            let want = (!(first..=last).contains(&n)).then_some((n / 10) as u32);
            assert_eq!(load(&store, n), want, "T-12, T-26: page {n}");
        }
        put(&mut store, closed(first, last), 9999);
        assert_eq!(load(&store, u64::midpoint(first, last)), Some(9999), "T-26");
    }
}

fn t20_t22_cursors<S: VmaStore>() {
    let mut store = S::default();
    let (p, q, r) = (closed(0x10, 0x15), closed(0x20, 0x25), closed(0x30, 0x35));
    for (range, id) in [(p, 1), (q, 2), (r, 3)] {
        store.insert(range, VmaId(id));
    }
    let mut entries = store.iter_from(VirtAddr::ZERO).map(|entry| entry.range);
    assert_eq!(entries.next(), Some(p), "T-20");
    assert_eq!(entries.next(), Some(q), "T-20");
    assert_eq!(entries.next(), Some(r), "T-20");
    assert_eq!(entries.next(), None, "T-20");
    let prev = |at| store.neighbours(page(at)).prev.map(|entry| entry.range);
    assert_eq!(
        [prev(0x20), prev(0x12), prev(0x10)],
        [Some(p), Some(p), None],
        "T-21"
    );
    let next = |at| store.find(page(at)).map(|entry| entry.range);
    assert_eq!(
        [next(0), next(0x16), next(0x27), next(0x36)],
        [Some(p), Some(q), Some(r), None],
        "T-22"
    );
    let within = closed(0x16, 0x1f);
    let gap = store.lowest_gap(within, Bytes(PAGE_SIZE));
    assert_eq!(
        (load(&store, 0x16), gap),
        (None, Some(within)),
        "T-22: walk"
    );
}

fn all<S: VmaStore>() {
    t01_a_store_overwrites::<S>();
    t02_t03_ranges_over_single_pages::<S>();
    t04_overlapping_stores::<S>();
    t05_t06_sequences_and_sparse_pages::<S>();
    t07_t08_finding_and_limits::<S>();
    t09_t10_roots_and_iteration::<S>();
    t11_t13_gaps_combine::<S>();
    t20_t22_cursors::<S>();
    if !cfg!(miri) {
        t12_t26_clearing_over_many_nodes::<S>();
    }
}

#[test]
fn cases_of_the_kernels_tree_tests_hold_in_the_maple_store() {
    all::<MapleStore>();
}

#[test]
fn cases_of_the_kernels_tree_tests_hold_in_the_other_stores() {
    all::<BTreeStore>();
    all::<RangeMapStore>();
}
