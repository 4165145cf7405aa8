//! Vectors: the example reader understands them, and the same seed gives the same ones.

use std::process::{Command, Output};

use crate::program::{check_end, root, vmsim, vmsim_with_input, with_input};

fn vectors(arguments: &[&str]) -> Output {
    vmsim(&[&["vectors"], arguments].concat())
}

/// What docs/vectors.py prints; `None` where there is no Python.
fn read(document: &[u8]) -> Option<Output> {
    let mut python = Command::new("python3");
    with_input(python.arg(root().join("docs/vectors.py")), document).ok()
}

#[test]
fn the_example_reader_understands_them() {
    let scenarios = [
        "scenarios/first.toml",
        "scenarios/process/execve.toml",
        "scenarios/fork",
    ];
    let made = vectors(&scenarios);
    assert!(made.status.success(), "{made:?}");
    let Some(output) = read(&made.stdout) else {
        eprintln!("SKIPPED: there is no Python here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let first = "scenarios/first.toml: Linux 6.19, 4 calls, VMAs: child 1, main 1\n";
    assert!(text.starts_with(first), "{text}");
}

#[test]
fn same_seed_same_vectors() {
    let seed = |seed| vectors(&["--kernel", "6.19", "--ops", "100", "--seed", seed]);
    let (one, again, other) = (seed("1"), seed("1"), seed("2"));
    assert!(one.status.success(), "{one:?}");
    assert_eq!(one.stdout, again.stdout);
    assert_ne!(one.stdout, other.stdout);
}

#[test]
fn what_is_too_long_is_left_out_and_said() {
    let scenario = r#"
step = [
  { op = "mmap", name = "buf", addr = "0x100000000000", len = "1p", prot = "r", flags = ["private", "anon", "fixed"] },
  { op = "repeat", times = 1000, step = [{ op = "read", range = "buf" }] },
]
"#;
    let made = vmsim_with_input(&["vectors", "-"], scenario);
    check_end(&made, 0, "left out: it has more than 1000 steps");
    let document = String::from_utf8_lossy(&made.stdout);
    assert!(document.contains("\"vectors\": []"), "{document}");
}
