//! `vmsim fuzz`.

use std::path::PathBuf;

use clap::Args;
use sim_oracle::Level;
use sim_oracle::generate::Mode;

use super::values::{Kernel, counter, kernel, level, mode, threads};

/// Arguments of `vmsim fuzz`.
#[derive(Args, Debug)]
pub(crate) struct FuzzArguments {
    /// Compare with the running kernel.
    #[arg(long)]
    pub(crate) live: bool,
    /// How many calls to make.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) ops: u64,
    /// Where random numbers start; printed first. Without it: another one each time.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The run of the seed to begin with.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) first_run: u64,
    /// What the calls are about.
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "mixed")]
    pub(crate) mode: Mode,
    /// How many runs to make at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// The kernel that the simulator behaves as: a profile, or `host`, which is the default with
    /// --live and is found by trying what the running kernel does.
    #[arg(long, value_name = "PROFILE", value_parser = kernel)]
    pub(crate) kernel: Option<Kernel>,
    /// How much is compared: results, VMAs, flags, or page states and counters too (these only
    /// with --live).
    #[arg(long, value_name = "LEVEL", value_parser = level, default_value = "pages")]
    pub(crate) level: Level,
    /// Counters of smaps that are not compared: `Referenced`, where somebody else looks at accessed
    /// bits.
    #[arg(long, value_name = "COUNTER", value_parser = counter, value_delimiter = ',')]
    pub(crate) ignore: Vec<&'static str>,
    /// Check the simulator's invariants after every call.
    #[arg(long)]
    pub(crate) check: bool,
    /// Make calls on this many threads at the same time. Nobody runs beside the simulator then: some
    /// sequential order of the same calls must explain what they come to, and the invariants must
    /// hold.
    #[arg(long, value_name = "N", value_parser = threads, default_value_t = 1,
          conflicts_with_all = ["live", "jobs", "check"])]
    pub(crate) threads: u64,
    /// Stop after so many seconds, even if calls are left; with --threads.
    #[arg(long, value_name = "SECONDS", requires = "threads")]
    pub(crate) time: Option<u64>,
    /// Where the scenario of a finding is written; with --threads. Without it:
    /// fuzz-SEED-RUN.toml.
    #[arg(short, long, value_name = "FILE", requires = "threads")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}
