//! Reading scenarios: all that is wrong with any of them is said at once.

use std::path::{Path, PathBuf};

use sim_scenario::{Colors, Diagnostics, Overrides, Scenario};

use crate::ending::Trouble;
use crate::output::Output;
use crate::sources;

/// The scenarios that arguments name.
pub(crate) fn read_all(
    paths: &[PathBuf],
    overrides: Overrides,
    output: &Output,
) -> Result<Vec<Scenario>, Trouble> {
    let mut wrong = String::new();
    let mut scenarios = Vec::new();
    for file in sources::scenario_files(paths)? {
        match read(&file, overrides) {
            Ok(scenario) => scenarios.push(scenario),
            Err(diagnostics) => wrong += &diagnostics.render(colors(output)),
        }
    }
    if wrong.is_empty() {
        Ok(scenarios)
    } else {
        Err(Trouble::WrongInput(wrong))
    }
}

fn read(file: &Path, overrides: Overrides) -> Result<Scenario, Diagnostics> {
    if file.as_os_str() != "-" {
        return Scenario::read(file, overrides);
    }
    let name = "standard input";
    let text = std::io::read_to_string(std::io::stdin())
        .map_err(|error| Diagnostics::of_file(name, format!("cannot read it: {error}")))?;
    Scenario::parse(name, &text, overrides)
}

fn colors(output: &Output) -> Colors {
    if output.colored() {
        Colors::Ansi
    } else {
        Colors::None
    }
}
