//! The stores' times beside each other, in rounds that take turns. What counts is the first
//! decile: on a machine that does other things as well, most of what is above is theirs.
//!
//! `cargo run --release -p vmsim-benches --example store_ratios [entries...]`

#![expect(
    clippy::cast_precision_loss,
    reason = "times and sizes to three digits"
)]

use std::time::{Duration, Instant};

use sim_core::store::{BTreeStore, MapleStore, RangeMapStore, VmaStore};
use vmsim_benches::store::{Workload, World};

/// How long one round of one store should take.
const ROUND: Duration = Duration::from_millis(1);
/// Rounds of each store.
const ROUNDS: usize = 80;

/// A store under one workload.
struct Contestant<S> {
    world: World<S>,
    steps: u64,
    nanoseconds: Vec<f64>,
}

impl<S: VmaStore> Contestant<S> {
    fn new(workload: Workload, count: u64) -> Self {
        let mut contestant = Self {
            world: World::new(count).aged(),
            steps: count,
            nanoseconds: Vec::new(),
        };
        if !rebuilds(workload) {
            contestant.steps = 8;
            while contestant.round(workload, count) < ROUND && contestant.steps < 1 << 16 {
                contestant.steps *= 2;
            }
        }
        contestant
    }

    fn round(&mut self, workload: Workload, count: u64) -> Duration {
        if workload == Workload::Unmap {
            self.world = World::new(count).aged();
        }
        let start = Instant::now();
        self.world.run(workload, self.steps);
        start.elapsed()
    }

    fn measure(&mut self, workload: Workload, count: u64) {
        let time = self.round(workload, count);
        self.nanoseconds
            .push(time.as_secs_f64() * 1e9 / self.steps as f64);
    }

    fn decile(&mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        self.nanoseconds[self.nanoseconds.len() / 10]
    }
}

fn rebuilds(workload: Workload) -> bool {
    match workload {
        Workload::Append | Workload::Link | Workload::Unmap => true,
        Workload::Lookup | Workload::SplitMerge | Workload::HoleFill | Workload::GapSearch => false,
    }
}

fn compare(workload: Workload, count: u64) {
    let mut maple = Contestant::<MapleStore>::new(workload, count);
    let mut btree = Contestant::<BTreeStore>::new(workload, count);
    let mut range_map = Contestant::<RangeMapStore>::new(workload, count);
    let long = count > 500_000 && rebuilds(workload);
    let rounds = if long { ROUNDS / 8 } else { ROUNDS };
    for _ in 0..rounds {
        maple.measure(workload, count);
        btree.measure(workload, count);
        range_map.measure(workload, count);
    }
    let (maple, btree, range_map) = (maple.decile(), btree.decile(), range_map.decile());
    println!(
        "{count:>8} {:<12} maple {maple:>9.1} ns  btree {btree:>9.1} ns  rangemap {range_map:>9.1} ns  maple/btree {:.2}",
        workload.name(),
        maple / btree
    );
}

fn main() {
    let sizes: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![1_000, 60_000, 1_000_000]
    } else {
        sizes
    };
    for count in sizes {
        for workload in Workload::ALL {
            compare(workload, count);
        }
        let world = World::<MapleStore>::new(count);
        let each = |world: &World<MapleStore>| world.store().bytes().get() as f64 / count as f64;
        println!(
            "{count:>8} bytes/entry, built in order: {:.1}",
            each(&world)
        );
        let mut world = world;
        world.run(Workload::Link, count);
        println!(
            "{count:>8} bytes/entry, built at random: {:.1}",
            each(&world)
        );
    }
}
