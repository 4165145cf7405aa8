//! docs/reasons.md is complete, and true: every reason of the code is in it and none else, and the
//! scenario of each shows it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sim_core::{Refusal, ScanResult};

use crate::program::{printed, root};

/// A section of the document.
struct Section {
    id: String,
    body: String,
}

fn sections() -> Vec<Section> {
    let text = std::fs::read_to_string(root().join("docs/reasons.md")).expect("the document");
    text.split("\n### `")
        .skip(1)
        .map(|section| {
            let (id, body) = section.split_once("`\n").expect("a heading with an id");
            Section {
                id: id.to_owned(),
                body: body.to_owned(),
            }
        })
        .collect()
}

impl Section {
    fn field(&self, name: &str) -> &str {
        let start = format!("- {name}: ");
        let line = self.body.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{} has no line \"{start}\"", self.id))
    }

    /// The scenario; `None` where the document says why there is none.
    fn scenario(&self) -> Option<PathBuf> {
        let field = self.field("Scenario");
        if field.starts_with("none: ") {
            return None;
        }
        let (_, link) = field.split_once("](../").expect("a link");
        let path = link.strip_suffix(')').expect("a link");
        Some(root().join(path))
    }
}

#[test]
fn every_reason_is_documented_and_no_other() {
    let scans = ScanResult::ALL.iter().map(|result| result.name());
    let code: BTreeSet<_> = Refusal::IDS.iter().copied().chain(scans).collect();
    let sections = sections();
    let documented: BTreeSet<_> = sections.iter().map(|section| section.id.as_str()).collect();
    assert_eq!(documented, code);
    assert_eq!(sections.len(), code.len(), "a reason is documented twice");
    for section in &sections {
        for field in ["Linux", "Since", "A program", "Scenario"] {
            assert!(!section.field(field).is_empty(), "{}: {field}", section.id);
        }
    }
}

#[test]
fn every_scenario_shows_its_reason() {
    for section in sections() {
        let Some(path) = section.scenario() else {
            continue;
        };
        let file = path.to_str().expect("UTF-8");
        let text = printed(&["explain", "--json", file], 0);
        let reason = format!("\"reason\": \"{}\"", section.id);
        let failed = format!("\"failed\": \"{}\"", section.id);
        assert!(
            text.contains(&reason) || text.contains(&failed),
            "{file} does not show {}",
            section.id
        );
    }
}

#[test]
fn every_scenario_of_the_folder_belongs_to_a_reason() {
    let shown: BTreeSet<_> = sections().iter().filter_map(Section::scenario).collect();
    let folder = root().join("scenarios/reasons");
    let files = std::fs::read_dir(folder).expect("the folder");
    for file in files {
        let path = file.expect("an entry").path();
        assert!(shown.contains(&path), "{} is not mentioned", path.display());
    }
}
