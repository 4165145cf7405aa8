//! A scenario as typed values: what the parser makes and the executor walks.

mod check;
mod range;
mod step;

use std::sync::Arc;

use sim_core::{Arch, CopyOnFork, Features, FileId, Profile, Setup};

use crate::diagnostics::Diagnostics;
use crate::source::Source;

pub use check::{
    Check, CounterTerm, FilePattern, FlagTerms, MapsLine, PageKind, PagePattern, PageTerm, VmaLine,
};
pub use range::{PageSelection, RangeExpr, RangeKind};
pub use step::{AccessKind, BrkTarget, CopySource, Expect, MmapStep, MremapStep, Op, Step};

/// The name of the process that a run starts with.
pub const MAIN: &str = "main";

/// A scenario without errors.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// `title`; the file's name if it has none.
    pub title: String,
    /// `about`.
    pub about: Option<String>,
    /// What the back end starts from.
    pub setup: Setup,
    /// The switches of `[kernel_features]`, already applied to [`setup`](Self::setup).
    pub switches: Vec<FeatureSwitch>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The text it was read from.
    pub source: Arc<Source>,
}

/// What the command line says instead of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// `--kernel`: the profile; the file's switches are applied on top of it.
    pub kernel: Option<Profile>,
    /// `--arch`.
    pub arch: Option<Arch>,
}

impl Scenario {
    /// Reads a scenario from its text. `name` is what diagnostics call it: its path.
    ///
    /// # Errors
    /// Everything that is wrong with it, all at once.
    pub fn parse(name: &str, text: &str, overrides: Overrides) -> Result<Self, Diagnostics> {
        crate::parse::scenario(name, text, overrides)
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or everything that is wrong with its content.
    pub fn read(path: &std::path::Path, overrides: Overrides) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| Diagnostics::of_file(&name, format!("cannot read it: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Diagnostics::of_file(&name, format!("it is not UTF-8 text: byte {at} is wrong"))
        })?;
        Self::parse(&name, &text, overrides)
    }

    /// The same scenario on another kernel: its profile's features, then the file's switches.
    #[must_use]
    pub fn with_kernel(mut self, profile: Profile) -> Self {
        self.setup.profile = profile;
        self.setup.features = profile.features();
        for switch in &self.switches {
            switch.apply(&mut self.setup.features);
        }
        self
    }

    /// The same scenario with these features, e.g. those probed from a running kernel, and the
    /// file's switches on top.
    #[must_use]
    pub fn with_features(mut self, features: Features) -> Self {
        self.setup.features = features;
        for switch in &self.switches {
            switch.apply(&mut self.setup.features);
        }
        self
    }

    /// The name of a file of the scenario.
    pub fn file_name(&self, file: FileId) -> &str {
        self.setup
            .files
            .get(file.0 as usize)
            .map_or("?", |spec| &spec.name)
    }
}

/// A switch of `[kernel_features]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureSwitch {
    /// A feature that is on or off.
    Bool {
        /// Its name.
        name: &'static str,
        /// On or off.
        on: bool,
    },
    /// `copy_on_fork`.
    CopyOnFork(CopyOnFork),
}

impl FeatureSwitch {
    /// Its name in `[kernel_features]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool { name, .. } => name,
            Self::CopyOnFork(_) => "copy_on_fork",
        }
    }

    /// Sets the feature.
    pub fn apply(self, features: &mut Features) {
        match self {
            Self::Bool { name, on } => {
                if let Some(field) = bool_feature(features, name) {
                    *field = on;
                }
            }
            Self::CopyOnFork(variant) => features.copy_on_fork = variant,
        }
    }
}

/// `atomic_flags=false`.
impl std::fmt::Display for FeatureSwitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool { name, on } => write!(f, "{name}={on}"),
            Self::CopyOnFork(wanted) => {
                let all = CopyOnFork::NAMES.iter();
                let name = all.clone().find(|(_, variant)| variant == wanted);
                write!(f, "copy_on_fork={}", name.map_or("?", |(name, _)| name))
            }
        }
    }
}

impl std::str::FromStr for FeatureSwitch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
        if name == "copy_on_fork" {
            let found = CopyOnFork::NAMES.iter().find(|(known, _)| *known == value);
            let names: Vec<_> = CopyOnFork::NAMES.iter().map(|(name, _)| *name).collect();
            return found
                .map(|(_, variant)| Self::CopyOnFork(*variant))
                .ok_or_else(|| format!("copy_on_fork is one of {}", names.join(", ")));
        }
        let known = BOOL_FEATURES.iter().find(|known| **known == name);
        let name = known.ok_or_else(|| {
            let names = BOOL_FEATURES.join(", ");
            format!("there is no feature `{name}`; there are {names}, copy_on_fork")
        })?;
        let on = value
            .parse()
            .map_err(|_| format!("{name} is true or false, not `{value}`"))?;
        Ok(Self::Bool { name, on })
    }
}

macro_rules! bool_features {
    ($($name:ident)+) => {
        /// The features that are on or off, by name.
        pub(crate) const BOOL_FEATURES: &[&str] = &[$(stringify!($name),)+];

        /// The features that are on or off, each with its name.
        pub fn features_by_name(features: &Features) -> Vec<(&'static str, bool)> {
            // None is left out.
            let Features { $($name,)+ copy_on_fork: _ } = *features;
            vec![$((stringify!($name), $name),)+]
        }

        fn bool_feature<'f>(features: &'f mut Features, name: &str) -> Option<&'f mut bool> {
            $(if name == stringify!($name) {
                return Some(&mut features.$name);
            })+
            None
        }
    };
}

bool_features! {
    merge_unfaulted_target multi_vma_mremap maybe_guard sticky_flags softdirty_sticky
    modify_keeps_sticky atomic_flags guard_vma_lock collapse_checks_guard mremap_source_anon_vma
    uffd_copy_keeps_guard collapse_skips_empty collapse_writes_back mprotect_rows stale_vma_flags
}
