//! Who may know whom: ARCHITECTURE.md's invariants, checked over `cargo metadata`.

use std::process::Command;

use serde_json::Value;

/// The crates of vmsim, lowest layer first; a crate may only know crates of lower layers.
const LAYERS: &[&[&str]] = &[
    &["sim-sync"],
    &["sim-core", "sim-pagetable"],
    &["sim-fork"],
    &["sim-scenario", "sim-oracle"],
    &["sim-cli", "vmsim-benches"],
];

/// Libraries that only some crates may know, with the reason.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("toml", &["sim-scenario"], "only sim-scenario knows TOML"),
    ("clap", &["sim-cli"], "only sim-cli knows the command line"),
    (
        "serde",
        &["sim-scenario", "sim-oracle", "sim-cli"],
        "the simulator knows no serialisation",
    ),
    (
        "serde_json",
        &["sim-scenario", "sim-oracle", "sim-cli"],
        "the simulator knows no serialisation",
    ),
];

struct Edge {
    from: String,
    to: String,
    dev: bool,
}

#[test]
fn crates_know_only_lower_layers() {
    let wrong: Vec<_> = edges()
        .into_iter()
        .filter_map(|edge| {
            let (from, to) = (layer(&edge.from)?, layer(&edge.to)?);
            (to >= from).then(|| format!("{} must not know {}", edge.from, edge.to))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn reserved_libraries_stay_where_they_belong() {
    let wrong: Vec<_> = edges()
        .into_iter()
        .filter(|edge| !edge.dev)
        .filter_map(|edge| {
            let (name, users, reason) = RESERVED.iter().find(|(name, ..)| *name == edge.to)?;
            let allowed = users.contains(&edge.from.as_str());
            (!allowed).then(|| format!("{} uses {name}: {reason}", edge.from))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_has_a_layer() {
    for name in packages().iter().map(|package| text(package, "name")) {
        assert!(layer(&name).is_some(), "{name} is in no layer");
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&name))
}

fn edges() -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in packages() {
        for dependency in list(&package, "dependencies") {
            edges.push(Edge {
                from: text(&package, "name"),
                to: text(dependency, "name"),
                dev: dependency["kind"] == "dev",
            });
        }
    }
    assert!(!edges.is_empty(), "no dependencies at all");
    edges
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    list(&metadata, "packages").to_vec()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect("an array")
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().expect("a string").to_owned()
}
