//! Threads as users meet them: `run` of scenarios with `parallel`, `fuzz --threads`,
//! `bench --threads`.

use std::path::PathBuf;

use serde_json::Value;

use crate::program::printed;

#[track_caller]
fn document(arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&printed(arguments, code)).expect("a JSON document")
}

/// The write succeeds if it comes first, which the order of writing has it do.
const RACE: &str = "
step = [
  { op = 'mmap', name = 'buf', len = '4p', prot = 'rw', flags = 'private anon' },
  { op = 'parallel', threads = [
    [ { op = 'write', range = 'buf[0]' } ],
    [ { op = 'mprotect', range = 'buf', prot = 'none' } ] ] },
]
";

fn race() -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("race.toml");
    std::fs::write(&file, RACE).expect("it can be written");
    file
}

#[test]
fn an_expectation_that_depends_on_the_order_fails_in_another_schedule() {
    let file = race();
    let file = file.to_str().expect("UTF-8");
    let text = printed(&["run", "--schedules", "60", file], 1);
    assert!(text.contains("of 60 other schedules from seed 1: not as expected"));
    assert!(text.contains("expected ok, got SIGSEGV"));
    let shown = document(&["run", "--schedules", "60", "--json", file], 1);
    let schedules = &shown["schedules"];
    assert_eq!(
        (&schedules["ran"], &schedules["seed"]),
        (&61.into(), &1.into())
    );
    assert_eq!(schedules["failed"][0], schedules["shown"]);
    assert_eq!(shown["steps"][1]["result"]["signal"], "SIGSEGV");
    let alone = document(&["run", "--schedules", "0", "--json", file], 0);
    assert_eq!(alone["schedules"]["failed"], Value::Array(Vec::new()));
}

#[test]
fn what_is_shown_does_not_depend_on_the_scheduler() {
    for name in ["fork-against-guard.toml", "fault-against-mprotect.toml"] {
        for form in [&["--json"][..], &["--dump", "smaps"], &[]] {
            let file = format!("scenarios/parallel/{name}");
            let arguments = [&["run"], form, &[file.as_str()]].concat();
            assert_eq!(
                printed(&arguments, 0),
                printed(&arguments, 0),
                "{name} {form:?}"
            );
        }
    }
}

#[test]
fn other_commands_take_one_thread_after_another() {
    let file = "scenarios/parallel/guards-in-two-threads.toml";
    printed(&["explain", file], 0);
    printed(&["vectors", "--kernel", "6.19", file], 0);
    printed(&["diff", file, "--kernel", "6.18-stable,6.18-stable"], 0);
}

#[test]
fn random_calls_on_threads() {
    let found = document(
        &[
            "fuzz",
            "--threads",
            "2",
            "--ops",
            "400",
            "--seed",
            "3",
            "--json",
        ],
        0,
    );
    assert_eq!(found["ok"], true);
    assert!(found["histories"].as_u64().is_some_and(|number| number > 0));
    printed(&["fuzz", "--threads", "2", "--live"], 2);
    printed(&["fuzz", "--threads", "0"], 2);
}

#[test]
fn throughput_of_threads_side_by_side() {
    let quick = ["--vmas", "40", "--repeats", "2", "--time", "0", "--json"];
    let arguments = ["bench", "guard_install", "--threads", "1,2"];
    let switch = ["--feature", "atomic_flags=false"];
    let text = printed(&[&arguments[..], &switch, &quick].concat(), 0);
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect();
    let what: Vec<_> = rows
        .iter()
        .map(|row| (row["threads"].as_u64(), row["features"].as_str()))
        .collect();
    let off = Some("atomic_flags=false");
    let expected = [
        (Some(1), None),
        (Some(1), off),
        (Some(2), None),
        (Some(2), off),
    ];
    assert_eq!(what, expected);
    let compared = rows.iter().map(|row| row["speedup"].is_number());
    assert_eq!(compared.collect::<Vec<_>>(), [false, false, true, true]);
    printed(&["bench", "lookup", "--feature", "atomic_flag=false"], 2);
}
