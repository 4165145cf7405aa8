//! What a replay found.

use std::collections::BTreeMap;

use sim_core::{Outcome, PageRange, Snapshot};

use super::strace::{Logged, Task};

/// The result of a replay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What was run, by operation.
    pub ops: BTreeMap<&'static str, OpCount>,
    /// Mappings that were moved to where the log has them, since the kernel chose another address
    /// than the back end.
    pub moved: u64,
    /// Regions that the log shows in use but not being made.
    pub adopted: Vec<Adoption>,
    /// Calls that came out differently.
    pub differences: Vec<Difference>,
    /// Calls of tasks whose beginning the log lacks.
    pub orphans: u64,
    /// The address space of each process at its end, or at the end of the log; in that order.
    pub images: Vec<FinalImage>,
}

impl Report {
    /// Calls that were run.
    pub fn calls(&self) -> u64 {
        self.ops.values().map(|count| count.calls).sum()
    }

    /// Calls that came out as in the log.
    pub fn agreements(&self) -> u64 {
        self.ops.values().map(|count| count.agreements).sum()
    }

    /// Differences that nothing in the log explains.
    pub fn unexplained(&self) -> usize {
        self.differences
            .iter()
            .filter(|difference| difference.explanation.is_none())
            .count()
    }
}

/// How the calls of one operation came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpCount {
    /// How many were run.
    pub calls: u64,
    /// How many came out as in the log.
    pub agreements: u64,
}

/// A region that was there before the log began, or was made by what the log does not show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Adoption {
    /// The line that shows it.
    pub line: u32,
    /// Whose it is.
    pub task: Task,
    /// The region.
    pub range: PageRange,
    /// What it is taken for.
    pub what: &'static str,
}

/// A call that came out differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Its line.
    pub line: u32,
    /// Who called.
    pub task: Task,
    /// The operation.
    pub op: &'static str,
    /// What the log says.
    pub logged: Logged,
    /// What the back end did.
    pub outcome: Outcome,
    /// Why that is no error of the back end, if the log shows it.
    pub explanation: Option<Explanation>,
}

/// Why a difference is none of the back end's making.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Explanation {
    /// The error comes from how the file was opened, or what it is.
    OpenFile,
    /// The result depends on which pages were touched.
    Touched,
    /// An error that does not come from mm.
    NotOfMm,
    /// The result depends on the process's limits or privileges.
    Limits,
}

impl Explanation {
    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OpenFile => "it depends on how the file was opened, which the log does not show",
            Self::Touched => "it depends on which pages were touched, which the log does not show",
            Self::NotOfMm => "the error does not come from memory management",
            Self::Limits => "it depends on limits and privileges, which the log does not show",
        }
    }
}

/// The address space of a process at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalImage {
    /// The process's first task.
    pub task: Task,
    /// Whether it ended; otherwise the log did.
    pub ended: bool,
    /// Its VMAs.
    pub snapshot: Snapshot,
}
