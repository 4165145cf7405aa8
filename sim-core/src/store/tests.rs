//! The stores against each other: random sequences, and all short sequences over few pages.

use crate::{Bytes, PAGE_SIZE, PageRange, VirtAddr};

use super::{BTreeStore, Entry, MapleStore, RangeMapStore, StoreReader as _, VmaId, VmaStore};

/// A number of steps: fewer where each one takes a thousand times as long.
const fn sized(usual: u64, in_miri: u64) -> u64 {
    if cfg!(miri) { in_miri } else { usual }
}

/// A small random number generator, so that runs are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn page(number: u64) -> VirtAddr {
    VirtAddr::new(number * PAGE_SIZE)
}

fn pages(start: u64, end: u64) -> PageRange {
    PageRange::new(page(start), page(end))
}

/// A change that is possible in the state that it is made for.
#[derive(Clone, Copy, Debug)]
enum Change {
    Insert(PageRange, VmaId),
    Remove(VirtAddr),
    Resize(VirtAddr, PageRange),
}

fn apply<S: VmaStore>(store: &mut S, change: Change) {
    match change {
        Change::Insert(range, id) => {
            store.reserve(1).expect("memory");
            store.insert(range, id);
        }
        Change::Remove(start) => assert_eq!(store.remove(start).range.start(), start),
        Change::Resize(start, to) => store.resize(start, to),
    }
}

/// The three stores, in step.
#[derive(Default)]
struct Trio {
    maple: MapleStore,
    btree: BTreeStore,
    range_map: RangeMapStore,
}

impl Trio {
    fn apply(&mut self, change: Change) {
        apply(&mut self.maple, change);
        apply(&mut self.btree, change);
        apply(&mut self.range_map, change);
    }

    fn check_invariants(&self) {
        self.maple.check_invariants();
        self.btree.check_invariants();
        self.range_map.check_invariants();
        let entries: Vec<_> = self.btree.iter_from(VirtAddr::ZERO).collect();
        assert_eq!(self.maple.len(), entries.len());
        assert!(
            self.maple
                .iter_from(VirtAddr::ZERO)
                .eq(entries.iter().copied())
        );
        assert!(self.range_map.iter_from(VirtAddr::ZERO).eq(entries));
    }

    /// All lookups at an address agree.
    #[track_caller]
    fn compare_at(&self, addr: VirtAddr) {
        let expected = self.btree.get(addr);
        assert_eq!(self.maple.get(addr), expected, "get {addr}");
        let seen = self.maple.reader().get(addr);
        assert_eq!(seen, Ok(expected), "get {addr} without a lock");
        assert_eq!(self.range_map.get(addr), expected, "get {addr}");
        let expected = self.btree.find(addr);
        assert_eq!(self.maple.find(addr), expected, "find {addr}");
        assert_eq!(self.range_map.find(addr), expected, "find {addr}");
        let expected = self.btree.neighbours(addr);
        assert_eq!(self.maple.neighbours(addr), expected, "neighbours {addr}");
        assert_eq!(
            self.range_map.neighbours(addr),
            expected,
            "neighbours {addr}"
        );
        if let Some(Entry { range, .. }) = self.btree.get(addr) {
            let expected = self.btree.sides(range);
            assert_eq!(self.maple.sides(range), expected, "sides {range}");
            assert_eq!(self.range_map.sides(range), expected, "sides {range}");
        }
        let some = |store: Vec<Entry>| store;
        let expected = some(self.btree.iter_from(addr).take(40).collect());
        assert_eq!(
            some(self.maple.iter_from(addr).take(40).collect()),
            expected
        );
        assert_eq!(
            some(self.range_map.iter_from(addr).take(40).collect()),
            expected
        );
    }

    /// Both gap searches agree.
    #[track_caller]
    fn compare_gaps(&self, within: PageRange, len: Bytes) {
        let expected = self.btree.lowest_gap(within, len);
        assert_eq!(
            self.maple.lowest_gap(within, len),
            expected,
            "{within} {len:?}"
        );
        assert_eq!(
            self.range_map.lowest_gap(within, len),
            expected,
            "{within} {len:?}"
        );
        let expected = self.btree.highest_gap(within, len);
        assert_eq!(
            self.maple.highest_gap(within, len),
            expected,
            "{within} {len:?}"
        );
        assert_eq!(
            self.range_map.highest_gap(within, len),
            expected,
            "{within} {len:?}"
        );
    }

    fn is_free(&self, range: PageRange) -> bool {
        let found = self.btree.find(range.start());
        found.is_none_or(|entry| range.end() <= entry.range.start())
    }
}

/// What a random run does.
#[derive(Clone, Copy)]
struct Run {
    seed: u64,
    /// Pages of the world.
    world: u64,
    steps: u64,
    /// log2 of the pages from one group of 16 places to the next: 4 for places side by side.
    spread: u32,
    /// Steps before the store shrinks, then grows again.
    phase: u64,
    /// One in so many steps searches for gaps.
    gap_every: u64,
}

impl Run {
    /// The page of a place.
    fn place(self, number: u64) -> u64 {
        ((number / 16) << self.spread) + number % 16
    }

    /// The place of an address that is one.
    fn number(self, addr: VirtAddr) -> u64 {
        let page = addr.page_number();
        let group = page >> self.spread;
        group * 16 + (page - (group << self.spread))
    }

    fn range(self, start: u64, end: u64) -> PageRange {
        pages(self.place(start), self.place(end))
    }
}

fn random_change(trio: &Trio, run: Run, step: u64, random: &mut Random) -> Option<Change> {
    let at = random.below(run.world);
    let growing = (step / run.phase).is_multiple_of(2);
    let removals = if growing { 10 } else { 75 };
    let found = trio.btree.find(page(run.place(at)));
    match random.below(100) {
        die if die < removals => found.map(|entry| Change::Remove(entry.range.start())),
        die if die < removals + 15 => {
            let old = found?.range;
            let around = trio.btree.neighbours(old.start());
            let low = around.prev.map_or(0, |e| run.number(e.range.end()));
            let above = trio.btree.find(old.end());
            let high = above.map_or(run.world, |e| run.number(e.range.start()));
            let start = low + random.below(high - low);
            let end = start + 1 + random.below((high - start).min(8));
            Some(Change::Resize(old.start(), run.range(start, end)))
        }
        _ => {
            let range = run.range(at, at + 1 + random.below(3));
            let id = VmaId(step as u32);
            trio.is_free(range).then_some(Change::Insert(range, id))
        }
    }
}

fn random_run(run: Run) {
    let mut random = Random(run.seed);
    let mut trio = Trio::default();
    for step in 0..run.steps {
        if let Some(change) = random_change(&trio, run, step, &mut random) {
            trio.apply(change);
        }
        let first = page(run.place(random.below(run.world)));
        let addr = first + Bytes(random.below(PAGE_SIZE));
        trio.compare_at(addr);
        trio.compare_at(addr.page_down());
        if random.below(run.gap_every) == 0 {
            let start = random.below(run.world);
            let end = start + random.below(run.world * 2 - start);
            let len = random.below(12) << (random.below(2) * u64::from(run.spread - 4));
            trio.compare_gaps(run.range(start, end), Bytes::from_pages(len));
        }
        if step % 509 == 0 {
            trio.check_invariants();
        }
    }
    trio.check_invariants();
}

#[test]
fn random_runs_agree() {
    let worlds = [40, 400, 4_000, 40_000];
    let kinds = worlds
        .into_iter()
        .flat_map(|world| [(world, 2), (world, 50)]);
    let kinds = kinds.flat_map(|(world, gap_every)| [4, 29, 33].map(|s| (world, gap_every, s)));
    for (seed, (world, gap_every, spread)) in kinds.enumerate() {
        if cfg!(miri) && (world > 40 || spread == 29) {
            continue;
        }
        random_run(Run {
            seed: 0x9e37_79b9_7f4a_7c15 + seed as u64,
            world,
            spread,
            steps: sized(10_000 + world / 2, 30),
            phase: sized(2_000 + world / 4, 20),
            gap_every,
        });
    }
}

#[test]
fn ascending_and_descending_insertions_fill_leaves() {
    for descending in [false, true] {
        let mut store = MapleStore::default();
        store.insert(pages(0, 1), VmaId(0));
        store.insert(pages(1_000_000, 1_000_001), VmaId(1));
        let count = sized(10_000, 40);
        for number in 0..count {
            let at = if descending {
                900_000 - number * 2
            } else {
                10 + number * 2
            };
            store.insert(pages(at, at + 1), VmaId(number as u32 + 2));
        }
        store.check_invariants();
        let leaves = store.leaves_in_use();
        assert!(
            leaves * 28 < count as usize + 86,
            "leaves are nearly full: {leaves}"
        );
    }
}

#[test]
fn a_split_and_a_merge_change_no_node_at_any_place() {
    let mut store = MapleStore::default();
    let count = sized(4_000, 40);
    for number in 0..count {
        store.insert(pages(number * 8, number * 8 + 6), VmaId(number as u32));
    }
    let split_and_merge = |store: &mut MapleStore, number: u64| {
        let whole = pages(number * 8, number * 8 + 6);
        store.resize(whole.start(), pages(number * 8, number * 8 + 3));
        store.insert(pages(number * 8 + 3, number * 8 + 6), VmaId(u32::MAX));
        store.remove(page(number * 8 + 3));
        store.resize(whole.start(), whole);
    };
    (0..count).for_each(|number| split_and_merge(&mut store, number));
    let bytes = store.bytes();
    (0..count).for_each(|number| split_and_merge(&mut store, number * 7 % count));
    assert_eq!(store.bytes(), bytes);
    store.check_invariants();
}

#[test]
fn reserved_insertions_take_no_memory() {
    let mut store = MapleStore::default();
    for number in 0..sized(3_000, 20) {
        store.reserve(2).expect("memory");
        let bytes = store.bytes();
        let at = number * 7_919 % 100_000 * 4;
        store.insert(pages(at, at + 1), VmaId(0));
        store.insert(pages(at + 2, at + 3), VmaId(0));
        assert_eq!(store.bytes(), bytes);
    }
    store.check_invariants();
}

#[test]
fn drained_stores_are_one_leaf_again() {
    let count = sized(5_000, 71);
    for step in [1, 7, count - 1] {
        let mut store = MapleStore::default();
        for number in 0..count {
            store.insert(pages(number * 2, number * 2 + 1), VmaId(number as u32));
        }
        for number in 0..count {
            store.remove(page(number * step % count * 2));
            if number % 97 == 0 {
                store.check_invariants();
            }
        }
        store.check_invariants();
        assert_eq!(store.leaves_in_use(), 1);
        assert!(store.is_empty());
    }
}

#[test]
fn the_top_of_the_address_space_is_an_ordinary_place() {
    let last = u64::MAX / PAGE_SIZE;
    let mut trio = Trio::default();
    trio.apply(Change::Insert(pages(last - 1, last), VmaId(7)));
    for addr in [
        0,
        1,
        u64::MAX - 8192,
        u64::MAX - 4096,
        u64::MAX - 1,
        u64::MAX,
    ] {
        let addr = VirtAddr::new(addr);
        assert_eq!(trio.maple.get(addr), trio.btree.get(addr));
        assert_eq!(trio.maple.find(addr), trio.btree.find(addr));
        assert_eq!(trio.maple.neighbours(addr), trio.btree.neighbours(addr));
    }
    trio.compare_gaps(pages(0, last), Bytes::from_pages(1));
    trio.compare_gaps(pages(last - 1, last), Bytes::from_pages(1));
}

/// All changes that are possible in a world of `world` pages; what is inserted is `id`.
fn all_changes(trio: &Trio, world: u64, id: VmaId) -> Vec<Change> {
    let ranges =
        || (0..world).flat_map(move |start| (start + 1..=world).map(move |end| (start, end)));
    let entries: Vec<_> = trio.btree.iter_from(VirtAddr::ZERO).collect();
    let mut changes = Vec::new();
    for (start, end) in ranges() {
        let range = pages(start, end);
        if trio.is_free(range) {
            changes.push(Change::Insert(range, id));
        }
    }
    for (index, entry) in entries.iter().enumerate() {
        changes.push(Change::Remove(entry.range.start()));
        let low = index
            .checked_sub(1)
            .map_or(page(0), |before| entries[before].range.end());
        let high = entries
            .get(index + 1)
            .map_or(page(world), |after| after.range.start());
        let room = PageRange::new(low, high);
        let fits = ranges()
            .map(|(start, end)| pages(start, end))
            .filter(|r| room.contains_range(*r));
        changes.extend(fits.map(|range| Change::Resize(entry.range.start(), range)));
    }
    changes
}

/// Makes all sequences of `depth` changes; after each, everything is compared.
fn enumerate(history: &mut Vec<Change>, world: u64, depth: usize) {
    let mut trio = Trio::default();
    for change in history.iter() {
        trio.apply(*change);
    }
    trio.check_invariants();
    for at in 0..=world {
        trio.compare_at(page(at));
        trio.compare_at(VirtAddr::new(page(at).get() + 1));
        for (end, len) in (at..=world).flat_map(|end| (0..=world).map(move |len| (end, len))) {
            trio.compare_gaps(pages(at, end), Bytes::from_pages(len));
        }
    }
    if depth > 0 {
        let id = VmaId(history.len() as u32);
        for change in all_changes(&trio, world, id) {
            history.push(change);
            enumerate(history, world, depth - 1);
            history.pop();
        }
    }
}

#[test]
fn all_short_sequences_over_few_pages_agree() {
    enumerate(&mut Vec::new(), 4, sized(4, 1) as usize);
}

/// Runs a change that must be refused, in each store.
#[cfg(debug_assertions)]
fn refused(before: &[Change], bad: Change) {
    fn panics<S: VmaStore>(before: &[Change], bad: Change) -> bool {
        let mut store = S::default();
        for change in before {
            apply(&mut store, *change);
        }
        let attempt = std::panic::AssertUnwindSafe(move || apply(&mut store, bad));
        std::panic::catch_unwind(attempt).is_err()
    }
    assert!(panics::<MapleStore>(before, bad), "maple accepts {bad:?}");
    assert!(panics::<BTreeStore>(before, bad), "btree accepts {bad:?}");
    assert!(
        panics::<RangeMapStore>(before, bad),
        "rangemap accepts {bad:?}"
    );
}

#[cfg(debug_assertions)]
#[test]
fn impossible_changes_are_refused() {
    let before = [
        Change::Insert(pages(2, 4), VmaId(1)),
        Change::Insert(pages(6, 8), VmaId(2)),
    ];
    let insert = |start, end| Change::Insert(pages(start, end), VmaId(3));
    for (start, end) in [(2, 4), (1, 3), (3, 5), (0, 9), (3, 4), (4, 7), (5, 5)] {
        refused(&before, insert(start, end));
    }
    for start in [0, 1, 3, 4, 5, 7, 9] {
        refused(&before, Change::Remove(page(start)));
        refused(&before, Change::Resize(page(start), pages(9, 10)));
    }
    for (start, end) in [(2, 7), (2, 2), (6, 8), (9, 10)] {
        refused(&before, Change::Resize(page(2), pages(start, end)));
    }
}
