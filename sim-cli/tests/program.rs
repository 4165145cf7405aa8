//! The program itself, run as a user runs it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository, in which the program is run.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a workspace").to_owned()
}

/// Adds every file below a folder that ends so.
pub(crate) fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
}

/// Runs vmsim.
pub(crate) fn vmsim(arguments: &[&str]) -> Output {
    vmsim_with_input(arguments, "")
}

/// Runs vmsim with something on standard input.
pub(crate) fn vmsim_with_input(arguments: &[&str], input: &str) -> Output {
    let mut vmsim = Command::new(env!("CARGO_BIN_EXE_vmsim"));
    with_input(vmsim.args(arguments).current_dir(root()), input.as_bytes()).expect("vmsim runs")
}

/// Runs a program with something on standard input.
///
/// # Errors
/// If it cannot be run.
pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Who does not read all of it says why in its output.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output()
}

/// Checks how it ended, and that standard error contains `stderr`.
#[track_caller]
pub(crate) fn check_end(output: &Output, code: i32, stderr: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(stderr), "{errors:?} lacks {stderr:?}");
}

/// Standard output of a run that ends with `code`.
#[track_caller]
pub(crate) fn printed(arguments: &[&str], code: i32) -> String {
    let output = vmsim(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{text}\n{errors}"
    );
    text
}
