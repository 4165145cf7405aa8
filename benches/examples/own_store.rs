//! A store of one's own, in one file: a sorted array, measured beside those of vmsim with all the
//! semantics of the calls on top.
//!
//! `cargo run --release -p vmsim-benches --example own_store [VMAs]`
//!
//! What it takes is an implementation of [`VmaStore`]; [`Simulated::with_store`] makes a machine
//! of it, and workloads, clock and medians are those of `vmsim bench`. To give it a name for
//! `--store`, add it to `StoreName` in `sim-oracle/src/bench/simulated.rs`.

use std::error::Error;
use std::fmt::Write as _;

use sim_core::store::{
    BTreeStore, Entry, LockedReader, MapleStore, Neighbours, NoMemory, VmaId, VmaStore,
};
use sim_core::{Bytes, PageCount, PageRange, Setup, VirtAddr};
use sim_oracle::bench::{BenchError, Contestant, Effort, Player, Simulated, Spec, Workload, race};

/// Entries in an array: lookups are a binary search, insertions move half of it.
#[derive(Default)]
struct SortedArray {
    entries: Vec<Entry>,
}

impl SortedArray {
    /// How many entries start at or below `addr`.
    fn up_to(&self, addr: VirtAddr) -> usize {
        self.entries
            .partition_point(|entry| entry.range.start() <= addr)
    }

    /// Where the entry that starts at `start` is.
    fn place(&self, start: VirtAddr) -> usize {
        let place = self.up_to(start).checked_sub(1);
        let place = place.filter(|place| self.entries[*place].range.start() == start);
        place.expect("no entry starts there")
    }

    /// What is free within a range, ascending.
    fn gaps(&self, within: PageRange) -> Vec<PageRange> {
        let mut gaps = Vec::new();
        let mut from = within.start();
        for entry in self.iter_from(within.start()) {
            let to = entry.range.start().min(within.end());
            if from < to {
                gaps.push(PageRange::new(from, to));
            }
            from = from.max(entry.range.end());
        }
        if from < within.end() {
            gaps.push(PageRange::new(from, within.end()));
        }
        gaps
    }
}

impl VmaStore for SortedArray {
    const NAME: &'static str = "sorted array";

    /// Without readers of its own, lookups hold mmap_lock.
    type Reader = LockedReader;

    fn reader(&self) -> LockedReader {
        LockedReader
    }

    fn begin_change(&mut self) {}

    fn end_change(&mut self) {}

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, addr: VirtAddr) -> Option<Entry> {
        let entry = *self.entries[..self.up_to(addr)].last()?;
        entry.range.contains(addr).then_some(entry)
    }

    fn find(&self, addr: VirtAddr) -> Option<Entry> {
        self.iter_from(addr).next()
    }

    fn neighbours(&self, addr: VirtAddr) -> Neighbours {
        let below = self
            .entries
            .partition_point(|entry| entry.range.start() < addr);
        Neighbours {
            prev: self.entries[..below].last().copied(),
            next: self.entries.get(below).copied(),
        }
    }

    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_ {
        let first = self
            .entries
            .partition_point(|entry| entry.range.end() <= addr);
        self.entries[first..].iter().copied()
    }

    fn reserve(&mut self, inserts: usize) -> Result<(), NoMemory> {
        self.entries.reserve(inserts);
        Ok(())
    }

    fn insert(&mut self, range: PageRange, id: VmaId) {
        let place = self.up_to(range.start());
        self.entries.insert(place, Entry { range, id });
    }

    fn remove(&mut self, start: VirtAddr) -> Entry {
        self.entries.remove(self.place(start))
    }

    fn resize(&mut self, start: VirtAddr, to: PageRange) {
        let place = self.place(start);
        self.entries[place].range = to;
    }

    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let mut gaps = self.gaps(within).into_iter();
        gaps.find(|gap| gap.len() >= len)
    }

    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        let mut gaps = self.gaps(within).into_iter().rev();
        gaps.find(|gap| gap.len() >= len)
    }

    fn check_invariants(&self) {
        let sorted = self
            .entries
            .is_sorted_by(|a, b| a.range.end() <= b.range.start());
        assert!(sorted, "entries are sorted and disjoint");
    }

    fn dump(&self) -> String {
        let mut text = format!("{}: {} entries\n", Self::NAME, self.len());
        for entry in &self.entries {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {} vma {}", entry.range, entry.id.0);
        }
        text
    }
}

fn contestant<S: VmaStore>(spec: &Spec) -> Result<Player<Simulated>, BenchError> {
    let machine = Simulated::with_store::<S>(&spec.setup(&Setup::default()))?;
    Player::new(machine, spec)
}

fn main() -> Result<(), Box<dyn Error>> {
    let vmas = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 60_000,
    };
    for workload in [
        Workload::Lookup,
        Workload::MprotectSplitMerge,
        Workload::AppendMerge,
        Workload::HoleFill,
    ] {
        let spec = Spec::new(workload, vmas, PageCount(0));
        let mut own = contestant::<SortedArray>(&spec)?;
        let mut maple = contestant::<MapleStore>(&spec)?;
        let mut btree = contestant::<BTreeStore>(&spec)?;
        let mut all: [&mut dyn Contestant; 3] = [&mut own, &mut maple, &mut btree];
        let results = race(&mut all, 5, Effort::default(), 1);
        let names = [SortedArray::NAME, MapleStore::NAME, BTreeStore::NAME];
        for (name, figures) in names.into_iter().zip(results) {
            let workload = workload.name();
            println!("{workload:<22} {name:<14} {:>10.1} ns", figures?.ns_per_op);
        }
    }
    Ok(())
}
