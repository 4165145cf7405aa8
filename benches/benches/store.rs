//! The VMA stores: `cargo bench -p vmsim-benches --bench store`.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use sim_core::store::{BTreeStore, MapleStore, RangeMapStore, VmaStore};
use vmsim_benches::store::{Workload, World};

/// Entries of the stores.
const SIZES: [u64; 3] = [1_000, 60_000, 1_000_000];

fn bench<S: VmaStore>(group: &mut BenchmarkGroup<'_, WallTime>, workload: Workload, size: u64) {
    group.bench_function(BenchmarkId::new(S::NAME, size), |bencher| {
        let mut world = World::<S>::new(size).aged();
        bencher.iter_custom(|steps| match workload {
            Workload::Append | Workload::Link | Workload::Unmap => {
                in_parts::<S>(workload, size, steps)
            }
            Workload::Lookup | Workload::SplitMerge | Workload::HoleFill | Workload::GapSearch => {
                timed(&mut world, workload, steps)
            }
        });
    });
}

fn timed<S: VmaStore>(world: &mut World<S>, workload: Workload, steps: u64) -> Duration {
    let start = Instant::now();
    world.run(workload, steps);
    start.elapsed()
}

/// As many stores as it takes; making them is not measured.
fn in_parts<S: VmaStore>(workload: Workload, size: u64, steps: u64) -> Duration {
    let parts = std::iter::repeat_n(size, (steps / size) as usize).chain([steps % size]);
    parts
        .map(|part| timed(&mut World::<S>::new(size), workload, part))
        .sum()
}

fn stores(criterion: &mut Criterion) {
    for workload in Workload::ALL {
        let mut group = criterion.benchmark_group(workload.name());
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        for size in SIZES {
            bench::<MapleStore>(&mut group, workload, size);
            bench::<BTreeStore>(&mut group, workload, size);
            bench::<RangeMapStore>(&mut group, workload, size);
        }
    }
}

criterion_group!(benches, stores);
criterion_main!(benches);
