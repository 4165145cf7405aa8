//! `vmsim run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sim_fork::DumpKind;

use super::MachineArguments;

/// Arguments of `vmsim run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// Scenarios; of a directory every *.toml file in it; `-` is standard input.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// What is simulated instead of what the files say.
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Print one JSON document (of several files: an array) and nothing else.
    #[arg(long, conflicts_with_all = ["dump", "quiet"])]
    pub(crate) json: bool,
    /// Print the final state of every process; the report goes to standard error.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) dump: Option<Dump>,
    /// Check the simulator's invariants after every step.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print how many VMAs each process had at most, and which step got there, even if that is far
    /// from the limit.
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) map_count: bool,
    /// Only print what failed, and the summary.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How often a scenario with `parallel` runs again, each time in another order of its threads.
    /// What is shown is the first run, in which the threads go one after another.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) schedules: u32,
    /// What those orders are made from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What `--dump` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Dump {
    /// As /proc/PID/maps.
    Maps,
    /// As /proc/PID/smaps.
    Smaps,
    /// One line a page: its address and /proc/PID/pagemap's value.
    Pagemap,
    /// The page tables, for people.
    Tables,
    /// The tree that holds the VMAs.
    Tree,
    /// The page tables, for machines: JSON.
    Memory,
}

impl Dump {
    /// The simulator's name for it.
    pub(crate) const fn kind(self) -> DumpKind {
        match self {
            Self::Maps => DumpKind::Maps,
            Self::Smaps => DumpKind::Smaps,
            Self::Pagemap => DumpKind::Pagemap,
            Self::Tables => DumpKind::Tables,
            Self::Tree => DumpKind::Tree,
            Self::Memory => DumpKind::Memory,
        }
    }
}
