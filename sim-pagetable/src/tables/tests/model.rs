//! Random operations on page tables and on a flat map from pages to entries.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{memory, page, range};
use crate::{
    Arch, Arm64, CopyRun, Entry, Flush, HUGE_PAGES, HUGE_SIZE, Leaf, MoveRequest, PAGE_SIZE,
    PageTables, Pfn, Va, VaRange, X86_64,
};
use sim_sync::prim::atomic::Ordering::Relaxed;

/// Places far and near: the first and last block of the tables of each level.
const REGIONS: [u64; 5] = [
    0x20_0000,
    0x3fc0_0000,
    0x7f_ffc0_0000,
    0x4000_0000_0000,
    0x7fff_ff80_0000,
];
/// Pages of a region: three blocks.
const REGION_PAGES: u64 = 3 * HUGE_PAGES;

/// Both sides: tables, and what each page must show. Huge pages are 512 entries here.
struct Pair<A: Arch> {
    tables: PageTables<A>,
    model: BTreeMap<u64, Entry<A>>,
}

impl<A: Arch> Pair<A> {
    fn is_huge_block(&self, block: u64) -> bool {
        self.model.get(&block).is_some_and(|e| e.is_huge())
    }

    fn set(&mut self, va: u64, entry: Entry<A>) {
        match self.tables.leaf_alloc(Va::new(va)).unwrap() {
            Leaf::Table(table) => {
                table.set(Va::new(va), entry);
                if entry.is_none() {
                    self.model.remove(&va);
                } else {
                    self.model.insert(va, entry);
                }
            }
            Leaf::Huge(_) => assert!(self.is_huge_block(va & !(HUGE_SIZE - 1))),
            Leaf::Absent => panic!("nothing allocated"),
        }
    }

    fn install_huge(&mut self, block: u64, entry: Entry<A>) {
        let deposit = self.tables.alloc_pte_table().unwrap();
        let slot = self.tables.pmd_alloc(Va::new(block)).unwrap();
        if slot.is_none() {
            slot.install_huge(entry, Some(deposit));
            for va in range(block, HUGE_PAGES).page_addresses() {
                self.model.insert(va.get(), entry);
            }
        }
    }

    fn split(&mut self, block: u64) {
        split_at(&self.tables, Va::new(block));
        self.model_split(block);
    }

    fn model_split(&mut self, block: u64) {
        if !self.is_huge_block(block) {
            return;
        }
        for (va, i) in range(block, HUGE_PAGES).page_addresses().zip(0..) {
            let entry = self.model.get_mut(&va.get()).unwrap();
            *entry = entry.split_page(i);
        }
    }

    /// Empties a range, splitting huge pages it covers in part.
    fn clear(&mut self, range: VaRange) {
        for end in [range.start(), range.end()] {
            let block = end.huge_down();
            if end != block && self.is_huge_block(block.get()) {
                self.split(block.get());
            }
        }
        for run in self.tables.walk(range) {
            match run.leaf {
                Leaf::Table(table) => table.slots(run.range).for_each(|slot| {
                    slot.take();
                }),
                Leaf::Huge(slot) => {
                    assert!(run.range.is_huge_block());
                    drop(slot.remove_huge(true));
                }
                Leaf::Absent => panic!("walk shows what exists"),
            }
        }
        let (start, end) = (range.start().get(), range.end().get());
        self.model.retain(|&va, _| va < start || va >= end);
    }

    /// As munmap of a part of the VMA that each region is: empties, then frees tables.
    fn unmap(&mut self, range: VaRange) {
        self.clear(range);
        let region_end = |start: u64| start + REGION_PAGES * PAGE_SIZE;
        let below = REGIONS.into_iter().rfind(|&r| r < range.start().get());
        let floor = below.map_or(0, |r| region_end(r).min(range.start().get()));
        let above = REGIONS
            .into_iter()
            .find(|&r| region_end(r) > range.end().get());
        let ceiling = above.map_or(0, |r| r.max(range.end().get()));
        let flush = self
            .tables
            .free_tables(range, Va::new(floor), Va::new(ceiling));
        self.tables.flush(flush);
    }

    fn relocate(&mut self, from: VaRange, to: u64, whole_tables: bool) {
        let length = from.end().get() - from.start().get();
        self.clear(VaRange::new(to, to + length));
        let request = MoveRequest {
            from,
            to: Va::new(to),
            whole_tables,
            deposits: true,
        };
        let mut splits = Vec::new();
        let mut split = |tables: &PageTables<A>, va: Va| {
            splits.push(va.huge_down().get());
            split_at(tables, va.huge_down());
        };
        let moved = self.tables.move_range(request, |e| e, &mut split);
        self.tables.flush(moved.unwrap());
        for block in splits {
            self.model_split(block);
        }
        let (start, end) = (from.start().get(), from.end().get());
        let moving: Vec<_> = self
            .model
            .range(start..end)
            .map(|(&k, &v)| (k, v))
            .collect();
        for (va, _) in &moving {
            self.model.remove(va);
        }
        let target = moving.into_iter().map(|(va, e)| (va - start + to, e));
        self.model.extend(target);
    }

    /// As fork: a child with write-protected copies.
    fn fork(&self) -> Self {
        let child = Self {
            tables: PageTables::new(self.tables.frames().clone()).unwrap(),
            model: (self.model.iter())
                .map(|(&va, e)| (va, if e.is_present() { e.wrprotect() } else { *e }))
                .collect(),
        };
        let all = VaRange::new(0, 0x7fff_ffff_f000);
        let copied = self.tables.copy_range(&child.tables, all, |run| {
            match run {
                CopyRun::Tables { parent, child, .. } => {
                    for (from, to) in parent.iter().zip(child) {
                        let entry = Entry::<A>::from_raw(from.load(Relaxed));
                        let copy = if entry.is_present() {
                            entry.wrprotect()
                        } else {
                            entry
                        };
                        to.store(copy.raw(), Relaxed);
                    }
                }
                CopyRun::Huge { parent, child, .. } => {
                    let deposit = child.tables().alloc_pte_table().map_err(|_| ())?;
                    child.install_huge(parent.entry().wrprotect(), Some(deposit));
                }
            }
            Ok::<(), ()>(())
        });
        copied.unwrap();
        child
    }

    fn check(&self) {
        self.tables.check_invariants().unwrap();
        self.tables.frames().check_invariants().unwrap();
        let mut seen = BTreeMap::new();
        for run in self.tables.walk(VaRange::new(0, 0x7fff_ffff_f000)) {
            match run.leaf {
                Leaf::Table(table) => {
                    let used = table.slots(run.range).filter(|s| !s.get().is_none());
                    seen.extend(used.map(|slot| (slot.va().get(), slot.get())));
                }
                Leaf::Huge(slot) => {
                    let vas = run.range.page_addresses();
                    seen.extend(vas.map(|va| (va.get(), slot.entry())));
                }
                Leaf::Absent => panic!("walk shows what exists"),
            }
        }
        assert_eq!(seen.len(), self.model.len());
        assert!(seen == self.model, "tables and model differ");
        for (&va, entry) in self.model.iter().step_by(97) {
            assert_eq!(self.tables.entry(Va::new(va)), *entry);
        }
    }
}

fn split_at<A: Arch>(tables: &PageTables<A>, block: Va) {
    if let Leaf::Huge(slot) = tables.leaf(block) {
        let entry = slot.entry();
        let (_, flush) = slot.split(|i| entry.split_page(i));
        tables.flush(flush);
    }
}

fn random_range(random: &mut SmallRng) -> VaRange {
    let region = REGIONS[random.random_range(0..REGIONS.len())];
    let (a, b) = (
        random.random_range(0..=REGION_PAGES),
        random.random_range(0..=REGION_PAGES),
    );
    if random.random_bool(0.1) {
        return range(region, REGION_PAGES);
    }
    let aligned = random.random_bool(0.5);
    let snap = |n: u64| {
        if aligned {
            n / HUGE_PAGES * HUGE_PAGES
        } else {
            n
        }
    };
    let (a, b) = (snap(a.min(b)), snap(a.max(b)));
    range(region + a * PAGE_SIZE, b - a)
}

fn step<A: Arch>(pair: &mut Pair<A>, random: &mut SmallRng) {
    let range = random_range(random);
    let number = random.random_range(0..1 << 20);
    match random.random_range(0..20) {
        0..6 => {
            for va in range.page_addresses().step_by(random.random_range(1..200)) {
                pair.set(va.get(), page::<A>(number));
            }
        }
        6..9 => {
            let huge = Entry::huge(Pfn::new((number + 2) << 9), super::read_write::<A>());
            pair.install_huge(range.start().huge_down().get(), huge);
        }
        9..11 => pair.split(range.start().huge_down().get()),
        11..13 => pair.clear(range),
        13..16 if !range.is_empty() => pair.unmap(range),
        16..19 if !range.is_empty() => {
            let other = REGIONS[random.random_range(0..REGIONS.len())];
            let from = range.start().get();
            let same_region = (other..other + REGION_PAGES * PAGE_SIZE).contains(&from);
            if !same_region {
                let offset = (from & (HUGE_SIZE - 1)) * u64::from(random.random::<bool>());
                let room = REGION_PAGES * PAGE_SIZE - offset;
                let length = (range.pages() * PAGE_SIZE).min(room);
                let from = VaRange::new(from, from + length);
                pair.relocate(from, other + offset, random.random());
            }
        }
        _ => {
            let tables = pair.tables.frames().tables_used();
            let child = pair.fork();
            child.check();
            drop(child);
            assert_eq!(pair.tables.frames().tables_used(), tables);
        }
    }
}

fn run<A: Arch>(seed: u64, steps: u32) {
    let frames = memory(1 << 16);
    let mut random = SmallRng::seed_from_u64(seed);
    let mut pair = Pair::<A> {
        tables: PageTables::new(frames.clone()).unwrap(),
        model: BTreeMap::new(),
    };
    for _ in 0..steps {
        step(&mut pair, &mut random);
        pair.check();
    }
    Flush::none().batched();
    drop(pair);
    assert_eq!(frames.used(), 0);
}

#[test]
fn random_operations_agree_with_a_flat_map() {
    for seed in 0..4 {
        run::<X86_64>(seed, 120);
        run::<Arm64>(seed, 120);
    }
}
