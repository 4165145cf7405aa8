//! Comparing what two back ends did: outcomes and snapshots, first difference first.
//!
//! The comparison knows nothing about who the two sides are. It goes from the coarse to the fine:
//! results, then layout, then flags, then counters and pages, so that the first difference reported
//! is the one that explains the others.

mod align;
mod difference;
mod pages;
mod render;
mod vmas;

use sim_core::{Outcome, Snapshot, VmFlags};

pub use difference::{Difference, VmaField};
pub use render::{listing, side_by_side};

/// How much is compared; each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Outcomes of calls.
    Result,
    /// And VMAs: addresses, permissions, offset, file, label.
    Layout,
    /// And their flags.
    Flags,
    /// And page states and smaps counters.
    Pages,
}

impl Level {
    /// Every level with its name on the command line; `all` is the highest one.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("result", Self::Result),
        ("layout", Self::Layout),
        ("flags", Self::Flags),
        ("pages", Self::Pages),
        ("all", Self::Pages),
    ];

    /// What a snapshot must hold to be compared at this level; `None` if none is needed.
    pub const fn snapshot_level(self) -> Option<sim_core::SnapshotLevel> {
        match self {
            Self::Result => None,
            Self::Layout | Self::Flags => Some(sim_core::SnapshotLevel::Vma),
            Self::Pages => Some(sim_core::SnapshotLevel::All),
        }
    }
}

/// What is compared and what is not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// How much.
    pub level: Level,
    /// Flags that are left out of the comparison.
    pub ignored_flags: VmFlags,
    /// Counters that are left out, by smaps' names.
    pub ignored_counters: Vec<&'static str>,
    /// Whether swap entries, markers, poison and migration entries are told apart.
    pub entry_kinds: bool,
    /// Whether soft-dirty state of VMAs and pages is compared.
    pub soft_dirty: bool,
}

impl Comparison {
    /// Everything at this level.
    pub const fn new(level: Level) -> Self {
        Self {
            level,
            ignored_flags: VmFlags::empty(),
            ignored_counters: Vec::new(),
            entry_kinds: true,
            soft_dirty: true,
        }
    }

    /// Compares two outcomes of the same call.
    pub fn outcomes(&self, left: Outcome, right: Outcome) -> Option<Difference> {
        (left != right).then_some(Difference::Outcome { left, right })
    }

    /// Compares two snapshots of the same process.
    pub fn snapshots(&self, left: &Snapshot, right: &Snapshot) -> Option<Difference> {
        if self.level == Level::Result {
            return None;
        }
        vmas::layout(left, right)
            .or_else(|| self.at(Level::Flags, || vmas::flags(self, left, right)))
            .or_else(|| self.at(Level::Pages, || pages::pages(self, left, right)))
            .or_else(|| self.at(Level::Pages, || vmas::counters(self, left, right)))
    }

    fn at(&self, level: Level, compare: impl FnOnce() -> Option<Difference>) -> Option<Difference> {
        if self.level >= level { compare() } else { None }
    }
}

#[cfg(test)]
mod tests;
