//! Every scenario of the library is right.

use std::fs;
use std::path::{Path, PathBuf};

use sim_scenario::{Overrides, Scenario};

#[test]
fn every_scenario_of_the_library_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut wrong = String::new();
    for path in scenarios(&root) {
        if let Err(diagnostics) = Scenario::read(&path, Overrides::default()) {
            wrong += &diagnostics.to_string();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(scenarios(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
