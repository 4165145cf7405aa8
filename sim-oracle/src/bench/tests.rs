//! Every workload on every target that it can be run on; nothing is timed here.

use std::time::Duration;

use sim_core::{Errno, Outcome, PageCount, Setup};

use super::{
    Axis, BenchError, Effort, Failure, Player, Simulated, Spec, StoreName, Target as _, Workload,
    count, mixed_scripts, race,
};

const EFFORT: Effort = Effort {
    least: Duration::ZERO,
    most: Duration::from_secs(1),
    singles: 1,
};

fn spec(workload: Workload) -> Spec {
    let mut spec = Spec::new(workload, 40, PageCount(600));
    if workload.axis() == Axis::Own {
        spec.scripts = mixed_scripts(&Setup::default(), 1).unwrap();
    }
    spec
}

fn player(spec: &Spec, store: StoreName) -> Result<Player<Simulated>, BenchError> {
    let setup = spec.setup(&Setup::default());
    Player::new(Simulated::new(store, &setup)?, spec)
}

/// What the simulator cannot do yet is not measured.
fn unsupported(error: &BenchError) -> bool {
    matches!(
        error,
        BenchError::Backend(sim_core::BackendError::NotSupported(_))
    )
}

#[test]
fn every_workload_runs_on_every_store() {
    for workload in Workload::ALL {
        for store in StoreName::ALL {
            let mut player = match player(&spec(workload), store) {
                Ok(player) => player,
                Err(error) if unsupported(&error) => continue,
                Err(error) => panic!("{}: {error}", workload.name()),
            };
            let repeat = player.repeat(EFFORT).unwrap();
            assert!(repeat.ops > 0, "{}", workload.name());
            assert!(!repeat.singles.is_empty(), "{}", workload.name());
        }
    }
}

#[test]
fn a_time_of_calls_that_fail_is_none() {
    let mut player = player(&spec(Workload::GuardInstall), StoreName::Maple).unwrap();
    // What the workload made is gone.
    player.target_mut().fresh(&Setup::default()).unwrap();
    let failure = Failure {
        op: "madvise",
        outcome: Outcome::Errno(Errno::ENOMEM),
    };
    assert_eq!(player.repeat(EFFORT), Err(BenchError::Unexpected(failure)));
}

#[test]
fn on_several_threads_or_with_a_reason() {
    for workload in Workload::ALL {
        let spec = Spec {
            threads: 2,
            ..spec(workload)
        };
        let result = player(&spec, StoreName::Maple).and_then(|mut p| p.repeat(EFFORT));
        match (result, workload.single_threaded()) {
            (Ok(repeat), None) => assert!(repeat.ops > 0, "{}", workload.name()),
            (Err(BenchError::NotPossible(_)), Some(_)) => {}
            (Err(error), None) if unsupported(&error) => {}
            (other, _) => panic!("{}: {other:?}", workload.name()),
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_rounds() {
    for workload in Workload::ALL {
        let rounds = |seed| {
            let spec = Spec {
                seed,
                ..spec(workload)
            };
            let mut works = super::work::parts(&spec);
            let round = |_| format!("{:?}", works[0].round(super::Shape::Bulk));
            (0..3).map(round).collect::<Vec<_>>()
        };
        assert_eq!(rounds(5), rounds(5), "{}", workload.name());
    }
}

#[test]
fn counts_are_those_of_the_definition() {
    let counts = |workload| {
        let count = count(&spec(workload), StoreName::Maple, &Setup::default()).unwrap();
        move |name: &str| count.counts.get(name).copied().unwrap_or(0) as f64 / count.ops as f64
    };
    let is = |value: f64, want: f64| assert!((value - want).abs() < 1e-9, "{value} is not {want}");
    let split_merge = counts(Workload::MprotectSplitMerge);
    is(split_merge("split"), 1.0);
    is(split_merge("merge.into_prev_with_next"), 0.5);
    is(counts(Workload::AppendMerge)("merge.grow_prev"), 1.0);
    is(counts(Workload::HoleFill)("merge.fill_gap"), 1.0);
    is(counts(Workload::Link)("insert"), 1.0);
    is(counts(Workload::Unmap)("split"), 2.0);
    is(counts(Workload::MergeRefused)("refused.flags_differ"), 2.0);
    is(counts(Workload::Lookup)("merge.considered"), 0.0);
}

#[test]
fn a_race_has_figures_of_each() {
    let spec = spec(Workload::AppendMerge);
    let mut one = player(&spec, StoreName::Maple).unwrap();
    let mut other = player(&spec, StoreName::BTree).unwrap();
    let results = race(&mut [&mut one, &mut other], 3, EFFORT, 1);
    for figures in results {
        let figures = figures.unwrap();
        assert!(figures.ops >= 3 && figures.ns_per_op > 0.0);
        assert!(figures.p99_ns >= figures.p50_ns);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn what_cannot_be_measured_live_has_a_reason() {
    for workload in [Workload::Lookup, Workload::Replay, Workload::Mixed] {
        let error = super::live::Kernel::start(&spec(workload)).unwrap_err();
        assert!(matches!(error, BenchError::NotPossible(_)));
    }
}
