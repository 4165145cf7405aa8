//! Every scenario of the library holds, on both architectures and with all invariants checked after
//! every step; and both give the same VMAs.

use std::path::Path;

use serde_json::Value;

use crate::program::{files_below, printed, root};

/// Fails with the scenarios' own words if an expectation does not hold.
#[track_caller]
fn run(file: &Path, arch: &str) -> Value {
    let file = file.to_str().expect("UTF-8");
    let text = printed(&["run", "--json", "--check", "--arch", arch, file], 0);
    serde_json::from_str(&text).expect("a JSON document")
}

/// Where scenarios put what they map at fixed addresses. The heap is elsewhere on each architecture.
const ARENA: &str = "0x1000";

/// Names, addresses, offsets, files and flags of every VMA. Only one architecture tracks soft-dirty
/// memory.
fn vmas(document: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for process in document["processes"].as_array().expect("processes") {
        for vma in process["vmas"].as_array().expect("vmas") {
            if !vma["start"]
                .as_str()
                .expect("an address")
                .starts_with(ARENA)
            {
                continue;
            }
            let flags = vma["flags"].as_array().expect("flags").iter();
            let flags: Vec<_> = flags.filter(|flag| *flag != "sd").collect();
            lines.push(format!(
                "{} {} {} {} {} {} {flags:?} {}",
                process["name"],
                vma["start"],
                vma["end"],
                vma["perms"],
                vma["offset"],
                vma["file"],
                vma["anon_vma"]
            ));
        }
    }
    lines
}

#[test]
fn every_scenario_holds_on_every_architecture() {
    let mut files = Vec::new();
    files_below(&root().join("scenarios"), "toml", &mut files);
    files.sort();
    assert!(files.len() >= 25, "the library has {} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let bound = text.lines().find(|line| line.starts_with("arch"));
        match bound {
            Some(line) if line.contains("\"arm64\"") => drop(run(&file, "arm64")),
            Some(_) => drop(run(&file, "x86_64")),
            None => {
                let (x86_64, arm64) = (run(&file, "x86_64"), run(&file, "arm64"));
                assert_eq!(vmas(&x86_64), vmas(&arm64), "{}", file.display());
            }
        }
    }
}
