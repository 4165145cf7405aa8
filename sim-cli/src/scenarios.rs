//! Reading scenarios: all that is wrong with any of them is said at once.

use std::path::{Path, PathBuf};

use sim_core::{Features, Profile};
use sim_scenario::{Colors, Diagnostics, Overrides, Scenario};

use crate::arguments::Kernel;
use crate::ending::Trouble;
use crate::live;
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

/// The scenario of an argument that is one file.
pub(crate) fn read_one(
    path: &Path,
    overrides: Overrides,
    output: &Output,
) -> Result<Scenario, Trouble> {
    read(path, overrides)
        .map_err(|diagnostics| Trouble::WrongInput(diagnostics.render(colors(output))))
}

/// A scenario as another kernel would run it; its own switches stay.
pub(crate) fn one_on_kernel(scenario: Scenario, kernel: Kernel) -> Result<Scenario, Trouble> {
    let (profile, features) = match kernel {
        Kernel::Profile(profile) => (profile, profile.features()),
        Kernel::Host => live::probe()?,
    };
    Ok(scenario.with_kernel(profile).with_features(features))
}

/// The scenarios as another kernel would run them; their own switches stay.
pub(crate) fn on_kernel(
    scenarios: Vec<Scenario>,
    kernel: Kernel,
) -> Result<Vec<Scenario>, Trouble> {
    let (profile, features) = behaviour(kernel)?;
    let adapt = |scenario: Scenario| scenario.with_kernel(profile).with_features(features);
    Ok(scenarios.into_iter().map(adapt).collect())
}

/// What a kernel does: its profile, and its features.
pub(crate) fn behaviour(kernel: Kernel) -> Result<(Profile, Features), Trouble> {
    match kernel {
        Kernel::Profile(profile) => Ok((profile, profile.features())),
        Kernel::Host => live::probe(),
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
