//! Every example of docs/language.md is a scenario.

use std::path::Path;

use sim_scenario::{Overrides, Scenario};

#[test]
fn the_examples_of_the_manual_are_scenarios() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let manual = std::fs::read_to_string(path).expect("the manual is there");
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let manual = std::fs::read_to_string(path).expect("the manual is there");
    let text = "[[step]]\nop = \"madvise\"\nrange = \"0x1000+1p\"\nadvice = \"guard-install\"\n";
    let error = Scenario::parse("guard.toml", text, Overrides::default()).expect_err("wrong");
    assert!(manual.contains(&error.to_string()), "{error}");
}
