//! Workloads on VMA stores, generic over the store.
//!
//! A store of `n` entries has six pages for each and two free ones after it, so that every entry
//! can be split and every gap filled. The order of accesses is random, but the same in each run.

use std::hint::black_box;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sim_core::store::{VmaId, VmaStore};
use sim_core::{Bytes, PageRange, VirtAddr};

/// Pages from one entry's start to the next one's.
const STRIDE: u64 = 8;
/// Pages of an entry.
const PAGES: u64 = 6;

/// What a workload measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// `get` of an address in an entry.
    Lookup,
    /// One entry becomes two, as `mprotect` of its end does, and one again.
    SplitMerge,
    /// A gap is filled by an entry of its own, and emptied again.
    HoleFill,
    /// A store is built in ascending order (for each entry).
    Append,
    /// A store is built in random order.
    Link,
    /// A store is emptied in random order.
    Unmap,
    /// `highest_gap` where only one low gap is wide enough, after a change somewhere.
    GapSearch,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Lookup,
        Self::SplitMerge,
        Self::HoleFill,
        Self::Append,
        Self::Link,
        Self::Unmap,
        Self::GapSearch,
    ];

    /// Its name in the reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::SplitMerge => "split+merge",
            Self::HoleFill => "hole fill",
            Self::Append => "append",
            Self::Link => "link",
            Self::Unmap => "unmap",
            Self::GapSearch => "gap search",
        }
    }
}

/// A store with the order in which its entries are visited.
pub struct World<S> {
    store: S,
    count: u64,
    /// Permutations of all entries, as many as a branch predictor cannot learn by heart.
    order: Vec<u64>,
    next: usize,
}

fn page(number: u64) -> VirtAddr {
    VirtAddr::new(number << sim_core::PAGE_SHIFT)
}

fn pages(start: u64, end: u64) -> PageRange {
    PageRange::new(page(start), page(end))
}

/// The range of the entry with this number.
fn range_of(number: u64) -> PageRange {
    pages(number * STRIDE, number * STRIDE + PAGES)
}

/// The order of visits to `count` entries: whole permutations, 100,000 visits at least.
fn visits(count: u64) -> Vec<u64> {
    let mut random = SmallRng::seed_from_u64(count);
    let mut order = Vec::new();
    while order.len() < 100_000 {
        let mut all: Vec<u64> = (1..=count).collect();
        all.shuffle(&mut random);
        order.append(&mut all);
    }
    order
}

impl<S: VmaStore> World<S> {
    /// A store of `count` entries.
    pub fn new(count: u64) -> Self {
        let mut store = S::default();
        // A gap below all entries that a search for a wide one has to find.
        for number in 1..=count {
            store.insert(range_of(number), VmaId(number as u32));
        }
        Self {
            store,
            count,
            order: visits(count),
            next: 0,
        }
    }

    /// Has each tenth entry removed and added again at random, as use does.
    #[must_use]
    pub fn aged(mut self) -> Self {
        let mut random = SmallRng::seed_from_u64(1);
        for _ in 0..self.count / 10 {
            let number = self.order[random.random_range(0..self.order.len())];
            let old = self.store.remove(range_of(number).start());
            self.store.insert(old.range, old.id);
        }
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    fn advance(&mut self) -> u64 {
        let number = self.order[self.next];
        self.next = (self.next + 1) % self.order.len();
        number
    }

    /// Runs `times` steps of a workload on the store (for those that build one, of that many
    /// entries at most).
    pub fn run(&mut self, workload: Workload, times: u64) {
        match workload {
            Workload::Lookup => self.times(times, Self::lookup),
            Workload::SplitMerge => self.times(times, Self::split_and_merge),
            Workload::HoleFill => self.times(times, Self::fill_hole),
            Workload::GapSearch => self.times(times, Self::search_gap),
            Workload::Append => self.append(times),
            Workload::Link => self.link(times),
            Workload::Unmap => self.times(times, Self::unmap),
        }
    }

    fn times(&mut self, times: u64, step: impl Fn(&mut Self, u64)) {
        for _ in 0..times {
            let number = self.advance();
            step(self, number);
        }
    }

    fn lookup(&mut self, number: u64) {
        black_box(self.store.get(page(number * STRIDE + 3)));
    }

    fn split_and_merge(&mut self, number: u64) {
        let whole = range_of(number);
        let (lower, upper) = whole.split_at(page(number * STRIDE + 3));
        self.store.resize(whole.start(), lower);
        self.store.insert(upper, VmaId(0));
        self.store.remove(upper.start());
        self.store.resize(whole.start(), whole);
    }

    fn fill_hole(&mut self, number: u64) {
        let hole = pages(number * STRIDE + PAGES, (number + 1) * STRIDE);
        self.store.insert(hole, VmaId(0));
        self.store.remove(hole.start());
    }

    fn search_gap(&mut self, number: u64) {
        let whole = range_of(number);
        let shorter = pages(number * STRIDE, number * STRIDE + PAGES - 1);
        self.store.resize(whole.start(), shorter);
        let within = pages(0, (self.count + 1) * STRIDE);
        black_box(self.store.highest_gap(within, Bytes::from_pages(STRIDE)));
        self.store.resize(whole.start(), whole);
    }

    fn append(&mut self, times: u64) {
        self.store = S::default();
        for number in 1..=times {
            self.store.insert(range_of(number), VmaId(number as u32));
        }
    }

    fn link(&mut self, times: u64) {
        self.store = S::default();
        self.next = 0;
        self.times(times, |world, number| {
            world.store.insert(range_of(number), VmaId(number as u32));
        });
    }

    fn unmap(&mut self, number: u64) {
        self.store.remove(range_of(number).start());
    }
}
