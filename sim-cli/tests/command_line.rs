//! The command's exit codes and messages, through the real program.

use std::process::{Command, Stdio};

use crate::program::{check_end as check, vmsim, vmsim_with_input};

#[test]
fn a_wrong_command_line_is_2() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["run"], "required"),
        (
            &["run", "--kernel", "2.4", "x.toml"],
            "the profiles are 6.15",
        ),
        (
            &["run", "--arch", "vax", "x.toml"],
            "the architectures are x86_64",
        ),
        (
            &["run", "--json", "--dump", "maps", "x.toml"],
            "cannot be used with",
        ),
        (
            &["run", "--dump", "everything", "x.toml"],
            "possible values",
        ),
        (&["replay"], "required"),
        (&["explain"], "required"),
        (
            &["explain", "--against", "2.4", "x.toml"],
            "the profiles are 6.15",
        ),
        (&["diff"], "required"),
        (&["diff", "--kernel", "6.15,2.4", "x.toml"], "the profiles"),
        (&["vectors", "--ops", "10"], "required"),
        (&["vectors"], "--seed"),
    ];
    for (arguments, stderr) in cases {
        check(&vmsim(arguments), 2, stderr);
    }
}

#[test]
fn input_that_is_not_there_is_2() {
    for command in ["explain", "diff", "vectors"] {
        let output = vmsim(&[command, "no-such-file.toml"]);
        check(&output, 2, "no-such-file.toml");
    }
    check(
        &vmsim(&["run", "no-such-file.toml"]),
        2,
        "no-such-file.toml",
    );
    check(
        &vmsim(&["replay", "no-such-file.strace"]),
        2,
        "no-such-file.strace",
    );
}

#[test]
fn a_log_that_is_none_is_2_with_its_lines() {
    let output = vmsim_with_input(&["replay", "-"], "1 brk(NULL) = 0x5000\nhello\n");
    check(&output, 2, "error: -:line 2: expected a call");
}

#[test]
fn help_and_version_are_0() {
    for arguments in [["--help"], ["--version"]] {
        check(&vmsim(&arguments), 0, "");
    }
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "fish"],
        &["man"],
    ] {
        let output = vmsim(arguments);
        check(&output, 0, "");
        assert!(String::from_utf8_lossy(&output.stdout).contains("vmsim"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vmsim"))
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmsim starts");
    drop(child.stdout.take());
    check(&child.wait_with_output().expect("vmsim ends"), 0, "");
}

/// What needs the running kernel is tested where it can be used, and says so where not.
#[test]
fn the_running_kernel_agrees_or_cannot_be_used() {
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/first.toml");
    let cases: &[&[&str]] = &[
        &["verify", first],
        &[
            "fuzz", "--live", "--mode", "anon", "--level", "layout", "--seed", "1", "--ops", "500",
        ],
    ];
    for arguments in cases {
        let output = vmsim(arguments);
        if output.status.code() == Some(3) {
            let reason = String::from_utf8_lossy(&output.stderr);
            println!("SKIPPED: {reason}");
            assert!(reason.starts_with("vmsim: "), "{reason}");
        } else {
            check(&output, 0, "");
        }
    }
}

#[test]
fn fuzzing_is_repeatable() {
    let arguments = ["fuzz", "--seed", "7", "--ops", "2000", "--json"];
    let (once, twice) = (vmsim(&arguments), vmsim(&arguments));
    check(&once, 0, "");
    assert_eq!(once.stdout, twice.stdout);
}

#[test]
fn schemas_are_json() {
    for of in ["scenario", "run"] {
        let output = vmsim(&["schema", of]);
        check(&output, 0, "");
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema["type"], "object");
    }
}

#[test]
fn dumps_have_standard_output_for_themselves() {
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/first.toml");
    for what in ["maps", "smaps", "pagemap", "tables", "tree", "memory"] {
        let output = vmsim(&["run", "--dump", what, first]);
        check(&output, 0, "all expectations hold");
        let text = String::from_utf8_lossy(&output.stdout);
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with("# ")).collect();
        assert_eq!(headings, ["# main", "# child"], "{text}");
        assert!(text.starts_with("# main\n"), "{text}");
    }
}
