//! Vectors: the example reader understands them, and the same seed gives the same ones.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a workspace").to_owned()
}

fn vectors(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_vmsim"))
        .arg("vectors")
        .args(arguments)
        .current_dir(root())
        .output();
    output.expect("vmsim runs")
}

/// What docs/vectors.py prints; `None` where there is no Python.
fn read(document: &[u8]) -> Option<Output> {
    let mut child = Command::new("python3")
        .arg(root().join("docs/vectors.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(document).expect("the reader reads");
    drop(stdin);
    child.wait_with_output().ok()
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
    let scenario = br#"
step = [
  { op = "mmap", name = "buf", addr = "0x100000000000", len = "1p", prot = "r", flags = ["private", "anon", "fixed"] },
  { op = "repeat", times = 1000, step = [{ op = "read", range = "buf" }] },
]
"#;
    let mut child = Command::new(env!("CARGO_BIN_EXE_vmsim"))
        .args(["vectors", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmsim starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(scenario).expect("vmsim reads");
    drop(stdin);
    let made = child.wait_with_output().expect("vmsim ends");
    assert!(made.status.success(), "{made:?}");
    let notes = String::from_utf8_lossy(&made.stderr);
    assert!(
        notes.contains("left out: it has more than 1000 steps"),
        "{notes}"
    );
    let document = String::from_utf8_lossy(&made.stdout);
    assert!(document.contains("\"vectors\": []"), "{document}");
}
