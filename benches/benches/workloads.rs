//! The workloads of `vmsim bench` on simulated machines:
//! `cargo bench -p vmsim-benches --bench workloads [-- NAME]`.
//!
//! What a workload is, is defined in `sim_oracle::bench`; criterion only says how often.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use sim_core::{PageCount, Setup};
use sim_oracle::bench::{
    Axis, BenchError, Effort, Player, Simulated, Spec, StoreName, Workload, mixed_scripts,
};

const VMAS: [u64; 2] = [1_000, 65_000];
const PAGES: u64 = 65_536;

/// The sizes at which a workload is measured; those of `replay` are in a log that is not here.
fn specs(workload: Workload) -> Vec<Spec> {
    match (workload, workload.axis()) {
        (Workload::Replay, _) => Vec::new(),
        (_, Axis::Vmas) => VMAS
            .map(|vmas| Spec::new(workload, vmas, PageCount(0)))
            .into(),
        (_, Axis::Pages) => vec![Spec::new(workload, 0, PageCount(PAGES))],
        (_, Axis::Own) => {
            let scripts = mixed_scripts(&Setup::default(), 1).expect("machines can be made");
            vec![Spec {
                scripts,
                ..Spec::new(workload, 0, PageCount(0))
            }]
        }
    }
}

/// The time of so many operations, from a repeat that makes some.
fn time(player: &mut Player<Simulated>, operations: u64) -> Result<Duration, BenchError> {
    let effort = Effort {
        least: Duration::from_micros(200),
        most: Duration::from_millis(100),
        singles: 0,
    };
    let repeat = player.repeat(effort)?;
    let each = repeat.nanoseconds / repeat.ops.max(1) as f64;
    Ok(Duration::from_nanos((each * operations as f64) as u64))
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, spec: &Spec, store: StoreName) {
    let size = spec.vmas + spec.pages.get();
    let machine = Simulated::new(store, &spec.setup(&Setup::default()));
    let player = machine
        .map_err(BenchError::from)
        .and_then(|machine| Player::new(machine, spec));
    let mut player = match player {
        Ok(player) => player,
        Err(error) => {
            eprintln!("{} is not measured: {error}", spec.workload.name());
            return;
        }
    };
    group.bench_function(BenchmarkId::new(store.name(), size), |bencher| {
        bencher.iter_custom(|operations| time(&mut player, operations).expect("it ran before"));
    });
}

fn workloads(criterion: &mut Criterion) {
    for workload in Workload::ALL {
        let mut group = criterion.benchmark_group(workload.name());
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1));
        for spec in specs(workload) {
            match workload.axis() {
                Axis::Pages => bench(&mut group, &spec, StoreName::Maple),
                Axis::Vmas | Axis::Own => {
                    for store in StoreName::ALL {
                        bench(&mut group, &spec, store);
                    }
                }
            }
        }
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
