//! `vmsim bench`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::ArgPredicate;
use sim_oracle::bench::{StoreName, Workload};
use sim_scenario::scenario::FeatureSwitch;

use super::values::{Kernel, bounded, kernel, threads};

/// Arguments of `vmsim bench`.
#[derive(Args, Debug)]
#[command(after_help = bench_workloads())]
pub(crate) struct BenchArguments {
    /// What to measure; without any: everything.
    #[arg(value_name = "WORKLOAD", value_parser = workload, value_delimiter = ',')]
    pub(crate) workloads: Vec<Workload>,
    /// The same.
    #[arg(long, value_name = "WORKLOAD,…", value_parser = workload, value_delimiter = ',')]
    pub(crate) workload: Vec<Workload>,
    /// Where VMAs are: maple, btree, rangemap, several of them, or all.
    #[arg(long, value_name = "STORE,…", value_parser = stores, default_value = "maple")]
    pub(crate) store: Stores,
    /// How many VMAs there are.
    #[arg(long, value_name = "N,…", value_parser = positive, value_delimiter = ',',
          default_value = "65000",
          default_value_if("growth", ArgPredicate::IsPresent, Some("10,1000,65000,1000000")))]
    pub(crate) vmas: Vec<u64>,
    /// How many pages there are, for fault and fork.
    #[arg(long, value_name = "N,…", value_parser = positive, value_delimiter = ',',
          default_value = "65536",
          default_value_if("growth", ArgPredicate::IsPresent,
                           Some("1024,16384,262144,4194304,16777216")))]
    pub(crate) pages: Vec<u64>,
    /// How many threads of one process run it at a time; each has its part of the VMAs.
    #[arg(long, value_name = "N,…", value_parser = threads, value_delimiter = ',',
          default_value = "1")]
    pub(crate) threads: Vec<u64>,
    /// Measure one thread also without the locks that several threads take.
    #[arg(long)]
    pub(crate) without_locks: bool,
    /// The kernels whose behaviour is simulated.
    #[arg(long, value_name = "PROFILE,…", value_parser = kernel, value_delimiter = ',',
          default_value = "6.19")]
    pub(crate) kernel: Vec<Kernel>,
    /// Measure each kernel again with these features switched, as [kernel_features] of a scenario
    /// does; can be given several times.
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = switches)]
    pub(crate) feature: Vec<Switches>,
    /// Measure the same operations as system calls of the running kernel, by turns.
    #[arg(long)]
    pub(crate) live: bool,
    /// The log of strace that replay runs.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Where random numbers start.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often everything is measured; figures are medians.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = repeats)]
    pub(crate) repeats: usize,
    /// Milliseconds of measured work in each repeat, at the least.
    #[arg(long, value_name = "MS", default_value_t = 15)]
    pub(crate) time: u64,
    /// Compare with an earlier run's --json output; the exit code is 1 if something is slower
    /// beyond the noise.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Also draw how times grow with the size, as SVG; sizes are 10 to 1,000,000 VMAs and 4 MiB to
    /// 64 GiB of pages unless others are asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) growth: Option<PathBuf>,
    /// Count what operations do: splits, merges by case, refusals by reason.
    #[arg(long)]
    pub(crate) counters: bool,
    /// Print one JSON object a line and measurement, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Switches of features that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Switches(pub(crate) Vec<FeatureSwitch>);

impl std::fmt::Display for Switches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(switches) = self;
        let each: Vec<_> = switches.iter().map(ToString::to_string).collect();
        f.write_str(&each.join(","))
    }
}

/// Stores of VMAs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stores(pub(crate) Vec<StoreName>);

fn bench_workloads() -> String {
    let mut text = "Workloads:\n".to_owned();
    for workload in Workload::ALL {
        let _ = writeln!(text, "  {:<20}  {}", workload.name(), workload.about());
    }
    text
}

fn workload(name: &str) -> Result<Workload, String> {
    Workload::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Workload::ALL.iter().map(|w| w.name()).collect();
        format!("the workloads are {}", names.join(", "))
    })
}

fn stores(names: &str) -> Result<Stores, String> {
    let mut stores = Vec::new();
    for name in names.split(',') {
        let of_name = |store: &StoreName| name == "all" || store.name() == name;
        let before = stores.len();
        stores.extend(StoreName::ALL.into_iter().filter(of_name));
        if stores.len() == before {
            return Err("the stores are maple, btree, rangemap, and all".to_owned());
        }
    }
    Ok(Stores(stores))
}

fn switches(text: &str) -> Result<Switches, String> {
    let each = text.split(',').map(str::parse);
    each.collect::<Result<_, _>>().map(Switches)
}

fn positive(text: &str) -> Result<u64, String> {
    bounded(text, 1 << 28)
}

fn repeats(text: &str) -> Result<usize, String> {
    bounded(text, 10_000).map(|number| number as usize)
}
