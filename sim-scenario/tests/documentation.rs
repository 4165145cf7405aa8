//! docs/language.md is complete and true: its examples are scenarios, and it names every operation,
//! parameter, setting and word that the language has, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sim_core::Profile;
use sim_scenario::scenario::features_by_name;
use sim_scenario::{Overrides, Scenario, schema};

fn manual() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    std::fs::read_to_string(path).expect("the manual is there")
}

/// The cells of every row of the table whose head begins with these cells.
fn table(head: &str) -> Vec<Vec<String>> {
    let manual = manual();
    let lines = manual.lines().skip_while(|line| !line.starts_with(head));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    let map = value.as_object().into_iter().flatten();
    map.map(|(key, _)| key.clone()).collect()
}

/// Every word that a schema lists.
fn words(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(map) => {
            let listed = map.get("enum").and_then(Value::as_array);
            let own = listed.into_iter().flatten().filter_map(Value::as_str);
            let own: BTreeSet<_> = own.map(str::to_owned).collect();
            own.into_iter()
                .chain(map.values().flat_map(words))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(words).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// The schema of each operation's parameters.
fn operations() -> BTreeMap<String, Value> {
    let schema = schema::language().to_value();
    let operations = schema["$defs"]["step"]["oneOf"].as_array();
    let operations = operations.expect("operations").iter();
    operations
        .map(|op| (op["title"].as_str().expect("a name").to_owned(), op.clone()))
        .collect()
}

#[test]
fn the_examples_of_the_manual_are_scenarios() {
    let manual = manual();
    let examples: Vec<_> = manual
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 4, "examples are found");
    for example in examples {
        if let Err(diagnostics) = Scenario::parse("language.md", example, Overrides::default()) {
            panic!("{diagnostics}");
        }
    }
}

#[test]
fn what_the_manual_shows_of_an_error_is_what_is_printed() {
    let text = "[[step]]\nop = \"madvise\"\nrange = \"0x1000+1p\"\nadvice = \"guard-install\"\n";
    let error = Scenario::parse("guard.toml", text, Overrides::default()).expect_err("wrong");
    assert!(manual().contains(&error.to_string()), "{error}");
}

/// The parameters of an operation come first in its row, optional ones with a `?`.
#[test]
fn every_operation_and_parameter_is_documented_and_no_other() {
    let mut documented = BTreeMap::new();
    for row in table("| op | parameters") {
        let parameters = row[1].split(':').next().expect("a cell");
        for op in quoted(&row[0]) {
            documented.insert(op, quoted(parameters));
        }
    }
    let mut known = BTreeMap::new();
    for (name, schema) in operations() {
        let required = schema["required"].as_array().expect("a list");
        let parameters = keys(&schema["properties"]).into_iter();
        let own = parameters.filter(|name| !["op", "in", "expect"].contains(&name.as_str()));
        let marked = own.map(|name| {
            let is_required = required.contains(&name.as_str().into());
            name + if is_required { "" } else { "?" }
        });
        known.insert(name, marked.collect());
    }
    assert_eq!(documented, known);
}

#[test]
fn every_word_is_documented_and_no_other() {
    let operations = operations();
    let parameter = |op: &str, name: &str| words(&operations[op]["properties"][name]);
    let uffd = &schema::language().to_value()["properties"]["uffd"];
    let known = [
        ("`prot`", parameter("mprotect", "prot")),
        ("`flags` of `mmap`", parameter("mmap", "flags")),
        ("`flags` of `mremap`", parameter("mremap", "flags")),
        ("`flags` of `mlockall`", parameter("mlockall", "flags")),
        ("`advice`", parameter("madvise", "advice")),
        ("`policy`", parameter("mbind", "policy")),
        ("`mode`", parameter("uffd_register", "mode")),
        ("`features` of `[uffd]`", words(uffd)),
    ];
    let documented: Vec<_> = table("| where | words |")
        .into_iter()
        .map(|row| (row[0].clone(), quoted(&row[1])))
        .collect();
    assert_eq!(
        documented,
        known.map(|(place, words)| (place.to_owned(), words))
    );
}

#[test]
fn every_setting_is_documented() {
    let rows: BTreeMap<_, _> = table("| key | is |")
        .into_iter()
        .map(|row| {
            let key = row[0].trim_matches(['`', '[', ']']).to_owned();
            (key.trim_end_matches(".NAME").to_owned(), quoted(&row[1]))
        })
        .collect();
    let schema = schema::language().to_value();
    let settings = &schema["properties"];
    assert_eq!(
        rows.keys().cloned().collect::<BTreeSet<_>>(),
        keys(settings)
    );
    for (key, documented) in rows {
        let setting = match key.as_str() {
            "files" => &schema["$defs"]["file"],
            // These have tables of their own.
            "kernel_features" | "uffd" => continue,
            key => &settings[key],
        };
        let mut known = keys(&setting["properties"]);
        known.append(&mut words(setting));
        let missing: Vec<_> = known.difference(&documented).collect();
        assert!(missing.is_empty(), "{key}: {missing:?}");
    }
}

#[test]
fn every_feature_is_documented_with_its_profile() {
    let table = table("| feature | with it |");
    let documented: BTreeSet<_> = table.iter().flat_map(|row| quoted(&row[0])).collect();
    let schema = &schema::language().to_value()["properties"]["kernel_features"];
    assert_eq!(documented, keys(&schema["properties"]));
    for row in table {
        let name = row[0].trim_matches('`');
        let (_, first) = row[2].rsplit_once(": ").unwrap_or(("", &row[2]));
        let mut reached = false;
        for profile in Profile::ALL {
            reached |= quoted(first).contains(profile.name());
            let features = features_by_name(&profile.features());
            if let Some((_, on)) = features.iter().find(|(feature, _)| *feature == name) {
                assert_eq!(*on, reached, "{name} in {profile}");
            }
        }
    }
}
