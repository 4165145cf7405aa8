//! `parallel`: what threads know, how they are reported, and that other orders are tried.

mod common;

use common::Mock;
use sim_scenario::{
    Overrides, RunDocument, Scenario, Schedule, Schedules, Unobserved, explore, run_scheduled,
};

const MAP: &str = "\
{ op = 'mmap', name = 'buf', addr = '0x100000000000', len = '16p', prot = 'rw', \
flags = 'private anon fixed' },";

/// A block between a mapping and what comes after it.
fn scenario(threads: &str, after: &str) -> Scenario {
    let text =
        format!("step = [\n{MAP}\n{{ op = 'parallel', threads = [\n{threads}\n] }},\n{after}\n]\n");
    match Scenario::parse("test.toml", &text, Overrides::default()) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

#[track_caller]
fn document(scenario: &Scenario, schedule: Schedule) -> RunDocument {
    let mut machine = sim_fork::new_machine(&scenario.setup).expect("a machine");
    let report = run_scheduled(scenario, schedule, &mut *machine, &mut Unobserved);
    RunDocument::new(&report.expect("the machine does not break down"))
}

/// The schedules that tests go through.
fn schedules() -> impl Iterator<Item = Schedule> {
    let schedules = Schedules { seed: 7, count: 12 };
    (0..=schedules.count).map(move |number| schedules.nth(number))
}

/// Whatever the order, what does not depend on it is the same, and is reported thread by thread.
#[test]
fn every_schedule_gives_the_same_document() {
    let cases = [
        // Disjoint pages.
        (
            "[{ op = 'write', range = 'buf[0..4]' }, { op = 'read', range = 'buf[0]' }],
             [{ op = 'repeat', times = 3, step = [
                 { op = 'madvise', range = 'buf[8..]', advice = 'guard_install' }] }],
             []",
            "{ op = 'check', pages = { 'buf[8..]' = 'guard', 'buf[..4]' = 'present' } }",
        ),
        // Names that threads give, children with numbers of their own, and their ends.
        (
            "[{ op = 'mmap', name = 'a', addr = 'buf[16]', len = '2p', prot = 'r', flags = 'private anon fixed' },
              { op = 'fork', name = 'first' },
              { op = 'munmap', in = 'first', range = 'a' }],
             [{ op = 'fork', name = 'second' }, { op = 'execve', in = 'second' },
              { op = 'fork', name = 'third' }, { op = 'exit', in = 'third' }]",
            "{ op = 'munmap', range = 'a' }, { op = 'exit', in = 'first' },
             { op = 'mmap', in = 'second', len = '1p', prot = 'r', flags = 'private anon' },
             { op = 'fork', name = 'third' }, { op = 'read', in = 'third', range = 'buf' }",
        ),
        // The break is known after the block.
        (
            "[{ op = 'brk', to = '+4p' }, { op = 'brk', to = '-1p' }], [{ op = 'write', range = 'buf' }]",
            "{ op = 'brk', to = '-3p' }, { op = 'check', count = 1 }",
        ),
        // Blocks inside `repeat`.
        (
            "[{ op = 'write', range = 'buf[0]', value = 5 }], [{ op = 'write', range = 'buf[1]' }]",
            "{ op = 'repeat', times = 3, step = [{ op = 'parallel', threads = [
               [{ op = 'read', range = 'buf[0]', value = 5 }], [{ op = 'write', range = 'buf[2]' }]] }] }",
        ),
    ];
    for (threads, after) in cases {
        let scenario = scenario(threads, after);
        let in_order = document(&scenario, Schedule::InOrder);
        assert!(in_order.ok, "{threads}: {:#?}", in_order.steps);
        for schedule in schedules() {
            assert_eq!(document(&scenario, schedule), in_order, "{schedule:?}");
        }
        let again = explore(&scenario, Schedules { seed: 1, count: 8 }, true);
        assert!(again.expect("it runs").first.is_none(), "{threads}");
    }
}

#[test]
fn a_step_of_a_thread_has_the_index_of_its_block() {
    let scenario = scenario(
        "[{ op = 'repeat', times = 2, step = [{ op = 'write', range = 'buf[0]' }] }],
         [{ op = 'read', range = 'buf[3]' }]",
        "{ op = 'munmap', range = 'buf' }",
    );
    for schedule in schedules() {
        let steps = document(&scenario, schedule).steps;
        let steps: Vec<_> = steps.iter().map(|s| (s.index, s.op.as_str())).collect();
        let expected = [
            (0, "mmap"),
            (1, "write"),
            (1, "write"),
            (1, "read"),
            (2, "munmap"),
        ];
        assert_eq!(steps, expected, "{schedule:?}");
    }
}

/// Holds in the order in which the threads are written, and in no order the other way round.
const RACE: &str = "\
[{ op = 'write', range = 'buf[0]' }], [{ op = 'mprotect', range = 'buf', prot = 'none' }]";

#[test]
fn an_expectation_that_holds_in_one_order_only_is_found() {
    let scenario = scenario(RACE, "{ op = 'check', count = 1 }");
    let first = document(&scenario, Schedule::InOrder);
    assert!(first.ok);
    let schedules = Schedules { seed: 1, count: 40 };
    let again = explore(&scenario, schedules, false).expect("it runs");
    let report = again.first.as_ref().expect("one of the orders fails");
    let causes: Vec<_> = report
        .failed()
        .flat_map(|step| &step.failures)
        .map(|failure| failure.cause.as_str())
        .collect();
    assert_eq!(causes, ["expected ok, got SIGSEGV"]);
    let mut machine = sim_fork::new_machine(&scenario.setup).expect("a machine");
    let first = sim_scenario::run(&scenario, &mut *machine, &mut Unobserved).expect("it runs");
    let failed = again.failed.clone();
    let shown = RunDocument::new(&again.shown(first, schedules));
    let summary = shown.schedules.expect("it has threads");
    assert_eq!((summary.seed, summary.ran), (1, 41));
    assert_eq!(summary.shown, failed[0]);
    assert_eq!(summary.failed, failed);
    assert!(!shown.ok);
}

#[test]
fn a_step_by_step_schedule_is_the_same_every_time() {
    let scenario = scenario(RACE, "");
    let outcomes: Vec<_> = (0..32)
        .map(|seed| document(&scenario, Schedule::Stepwise(seed)))
        .collect();
    for (seed, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            &document(&scenario, Schedule::Stepwise(seed as u64)),
            outcome
        );
    }
    assert!(outcomes.iter().any(|outcome| outcome.ok));
    assert!(outcomes.iter().any(|outcome| !outcome.ok));
}

/// A back end for one thread can still run them one after another.
#[test]
fn not_every_back_end_has_threads() {
    let scenario = scenario(RACE, "");
    for (schedule, runs) in [
        (Schedule::InOrder, true),
        (Schedule::Stepwise(1), true),
        (Schedule::Threads(1), false),
    ] {
        let mut mock = Mock::new(&scenario.setup);
        let report = run_scheduled(&scenario, schedule, &mut mock, &mut Unobserved);
        assert_eq!(report.is_ok(), runs, "{schedule:?}");
    }
}
