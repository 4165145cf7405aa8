//! Values that several commands take: kernels, architectures, levels, modes, numbers.

use sim_core::{Arch, Profile, Smaps};
use sim_oracle::Level;
use sim_oracle::generate::Mode;

/// A kernel to behave as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kernel {
    /// The running one.
    Host,
    /// A profile.
    Profile(Profile),
}

/// A kernel by its name.
pub(super) fn kernel(name: &str) -> Result<Kernel, String> {
    if name == "host" {
        return Ok(Kernel::Host);
    }
    profile(name)
        .map(Kernel::Profile)
        .map_err(|message| format!("{message}, and host"))
}

/// A number from 1 to `most`.
pub(super) fn bounded(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok();
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("a number from 1 to {most}"))
}

/// A number of threads.
pub(super) fn threads(text: &str) -> Result<u64, String> {
    bounded(text, 64)
}

/// A mode of random calls by its name.
pub(super) fn mode(name: &str) -> Result<Mode, String> {
    named("modes", Mode::NAMES, name)
}

/// A level of comparison by its name.
pub(super) fn level(name: &str) -> Result<Level, String> {
    named("levels", Level::NAMES, name)
}

/// A counter of smaps by its name.
pub(super) fn counter(name: &str) -> Result<&'static str, String> {
    let smaps = Smaps::default();
    let counters: Vec<_> = smaps.counters().map(|(name, _)| (name, name)).collect();
    named("counters", &counters, name)
}

/// An architecture by its name.
pub(super) fn arch(name: &str) -> Result<Arch, String> {
    named("architectures", Arch::NAMES, name)
}

fn profile(name: &str) -> Result<Profile, String> {
    let names: Vec<_> = Profile::ALL.iter().map(|p| (p.name(), *p)).collect();
    named("profiles", &names, name)
}

fn named<T: Copy>(what: &str, names: &[(&str, T)], name: &str) -> Result<T, String> {
    let known = names.iter().find(|(known, _)| *known == name);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        format!("the {what} are {}", names.join(", "))
    })
}
