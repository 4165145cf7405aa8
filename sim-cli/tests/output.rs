//! What the commands print, word for word: each case is a file in `tests/output`.
//!
//! `UPDATE_OUTPUT=1 cargo test -p sim-cli output` writes the files anew.

use crate::program::{root, vmsim};

/// Runs vmsim in the repository's root, and compares exit code and output with the file's.
#[track_caller]
fn check(name: &str, arguments: &[&str]) {
    let output = vmsim(arguments);
    let code = output.status.code().expect("vmsim ends by itself");
    let text = format!(
        "$ vmsim {}\n{}{}$ echo $?\n{code}\n",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let file = root().join("sim-cli/tests/output").join(name);
    if std::env::var_os("UPDATE_OUTPUT").is_some() {
        std::fs::write(&file, text).expect("the file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == text, "{name} is not\n{expected}\nbut\n{text}");
}

const FAILING: &str = "sim-cli/tests/output/failing.toml";
const WRONG: &str = "sim-cli/tests/output/wrong.toml";
const SHORT: &str = "sim-cli/tests/output/short.strace";

#[test]
fn a_run() {
    check("run.txt", &["run", "scenarios/first.toml"]);
}

#[test]
fn a_run_in_colour() {
    check(
        "run-color.txt",
        &["run", "--color", "always", "scenarios/first.toml"],
    );
}

#[test]
fn failed_expectations() {
    check("run-failing.txt", &["run", FAILING]);
    check("run-failing-quiet.txt", &["run", "--quiet", FAILING]);
    check("run-failing-json.txt", &["run", "--json", FAILING]);
}

#[test]
fn wrong_scenarios_run_nothing() {
    check("run-wrong.txt", &["run", FAILING, WRONG]);
}

#[test]
fn another_kernel() {
    check(
        "run-kernel.txt",
        &[
            "run",
            "--kernel",
            "6.18",
            "--arch",
            "arm64",
            "scenarios/first.toml",
        ],
    );
}

#[test]
fn a_replay() {
    check("replay.txt", &["replay", SHORT]);
    check("replay-quiet.txt", &["replay", "--quiet", SHORT]);
    check("replay-json.txt", &["replay", "--json", SHORT]);
}

#[test]
fn the_most_vmas() {
    let scenario = "scenarios/limits/one-mprotect-too-many.toml";
    check("run-map-count.txt", &["run", scenario]);
}

#[test]
fn an_explanation() {
    let scenario = "scenarios/profiles/unfaulted-target.toml";
    check("explain.txt", &["explain", scenario]);
    let against = &["explain", scenario, "--against", "6.15"];
    check("explain-against.txt", against);
    let hole = "scenarios/reasons/anon_vma_differs.toml";
    check("explain-anon-vma.txt", &["explain", hole]);
    let guard = "scenarios/reasons/scan_fail.toml";
    check("explain-collapse.txt", &["explain", guard]);
}

#[test]
fn an_explanation_as_json() {
    let scenario = "scenarios/reasons/flags_differ.toml";
    let arguments = ["explain", "--json", scenario, "--against", "6.18-stable"];
    check("explain-json.txt", &arguments);
}

#[test]
fn a_difference() {
    let kernels = ["diff", "--kernel", "6.15,6.19"];
    let scenario = "scenarios/profiles/unfaulted-target.toml";
    check("diff.txt", &[&kernels[..], &[scenario]].concat());
    check(
        "diff-json.txt",
        &[&kernels[..], &["--json", scenario]].concat(),
    );
    let files = ["scenarios/first.toml", "scenarios/guard/basic.toml"];
    check("diff-files.txt", &[&["diff"][..], &files].concat());
    check("diff-same.txt", &["diff", files[0], files[0]]);
    check("diff-wrong.txt", &["diff", files[0]]);
}

#[test]
fn vectors() {
    check("vectors.txt", &["vectors", "scenarios/first.toml"]);
    check("vectors-wrong.txt", &["vectors"]);
}

/// The README shows what the first scenario prints.
#[test]
fn the_readme_is_true() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let shown = std::fs::read_to_string(root().join("sim-cli/tests/output/run.txt"));
    let shown = shown.expect("the output");
    let body: Vec<_> = shown.lines().skip(1).collect();
    let (_, body) = body.split_last().expect("an exit code");
    let (_, body) = body.split_last().expect("the question for it");
    let body = body.join("\n");
    assert!(readme.contains(&body), "README.md does not show\n{body}");
}
