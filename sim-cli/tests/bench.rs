//! `vmsim bench` through the real program: what it prints and how it ends. No time is judged.

use std::process::Output;

use serde_json::Value;

use crate::program::{check_end, printed, vmsim};

const QUICK: [&str; 8] = [
    "--vmas",
    "30",
    "--pages",
    "600",
    "--repeats",
    "2",
    "--time",
    "0",
];

fn quick<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["bench"], &QUICK[..], arguments].concat()
}

fn bench(arguments: &[&str]) -> Output {
    vmsim(&quick(arguments))
}

#[track_caller]
fn rows(arguments: &[&str]) -> Vec<Value> {
    let text = printed(&quick(arguments), 0);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}

#[test]
fn a_line_has_the_fields_of_the_specification() {
    let rows = rows(&["--json", "--store", "all", "lookup", "fault", "mixed"]);
    let stores: Vec<_> = rows
        .iter()
        .map(|row| (row["workload"].as_str(), row["store"].as_str()))
        .collect();
    let row = |workload, store| (Some(workload), Some(store));
    assert_eq!(
        stores,
        [
            row("lookup", "maple"),
            row("lookup", "btree"),
            row("lookup", "rangemap"),
            row("fault", "maple"),
            row("mixed", "maple"),
            row("mixed", "btree"),
            row("mixed", "rangemap"),
        ]
    );
    for row in &rows {
        for field in ["threads", "ops", "ns_per_op", "p50_ns", "p99_ns"] {
            assert!(row[field].is_number(), "{field} of {row}");
        }
        assert_eq!(row["kernel"], "6.19");
        let size = if row["workload"] == "fault" {
            "pages"
        } else {
            "vmas"
        };
        assert!(row[size].is_number(), "{row}");
    }
}

#[test]
fn every_size_thread_and_kernel_has_a_row() {
    let arguments = [
        "--json",
        "--vmas",
        "10,20",
        "--threads",
        "1,2",
        "--kernel",
        "6.15,6.19",
        "append_merge",
    ];
    assert_eq!(rows_with_last(&arguments), 8);
}

/// `--vmas` may be given once only, so that this list replaces the quick one.
fn rows_with_last(arguments: &[&str]) -> usize {
    let command = ["bench", "--repeats", "2", "--time", "0"];
    printed(&[&command[..], arguments].concat(), 0)
        .lines()
        .count()
}

#[test]
fn what_is_not_possible_is_3_and_the_rest_is_measured() {
    let output = bench(&["--json", "--threads", "2", "brk", "hole_fill"]);
    check_end(&output, 3, "a process has one break");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("hole_fill") && !text.contains("brk"),
        "{text}"
    );
}

#[test]
fn a_wrong_command_line_is_2() {
    for (arguments, text) in [
        (&["fly"][..], "the workloads are lookup"),
        (&["--store", "list"], "the stores are maple"),
        (&["--threads", "0"], "a number from 1 to 64"),
        (&["replay"], "needs --trace FILE"),
        (&["--json", "--csv"], "cannot be used with"),
        (&["lookup", "--baseline", "/nonexistent"], "cannot read"),
    ] {
        check_end(&bench(arguments), 2, text);
    }
}

/// A baseline of impossible speed finds everything slower, one of impossible slowness nothing.
#[test]
fn slower_than_the_baseline_is_1() {
    for (ns_per_op, code) in [("0.001", 1), ("1e12", 0)] {
        let line = format!(
            "{{\"workload\":\"link\",\"store\":\"maple\",\"vmas\":30,\"threads\":1,\
             \"kernel\":\"6.19\",\"ns_per_op\":{ns_per_op}}}\n"
        );
        let name = format!("vmsim-baseline-{}-{code}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, line).expect("a temporary file");
        let output = bench(&["link", "--baseline", path.to_str().expect("UTF-8")]);
        let _ = std::fs::remove_file(&path);
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn counters_and_csv() {
    let counted = rows(&["--json", "--counters", "mprotect_split_merge"]);
    let counters = &counted[0]["counters"];
    assert_eq!(counters["split"], 1.0);
    assert_eq!(counters["lock.mmap_write"], 1.0);
    assert!(counters["nodes"].as_f64() >= Some(1.0), "{counters}");
    assert!(
        counters["nodes.taken"].is_null(),
        "a split followed by a merge needs no new node: {counters}"
    );
    let output = bench(&["--csv", "link"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let columns: Vec<_> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [12, 12], "{text}");
}

#[test]
fn growth_is_drawn() {
    let directory = std::env::temp_dir().join(format!("vmsim-growth-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let path = directory.join("growth.svg");
    let file = path.to_str().expect("UTF-8");
    let arguments = ["--growth", file, "--vmas", "300", "lookup", "link"];
    let lines = rows(&[&["--json"][..], &arguments].concat());
    assert_eq!(lines.len(), 4);
    let picture = std::fs::read_to_string(&path).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<polyline").count(), 2);
    std::fs::remove_dir_all(&directory).expect("the directory was made above");
}
