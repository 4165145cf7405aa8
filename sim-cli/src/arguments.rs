//! The command line.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sim_core::{Arch, Profile};
use sim_fork::DumpKind;
use sim_oracle::Level;
use sim_oracle::bench::{StoreName, Workload};
use sim_oracle::generate::Mode;
use sim_scenario::scenario::FeatureSwitch;

/// Linux memory management in user space.
///
/// Runs what programs ask of Linux memory management in a simulator: virtual memory areas and how
/// they merge, page tables, faults, fork, guard regions and huge pages.
#[derive(Parser, Debug)]
#[command(name = "vmsim", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// When to colour the output.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all expectations hold
  1  an expectation failed or a difference was found
  2  the input or the command line is wrong; nothing was run
  3  not possible here, with the reason";

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What vmsim can do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run scenarios and report: one line a step, failed expectations with place and cause.
    Run(RunArguments),
    /// Run scenarios in the simulator and on the running kernel, and report the first difference.
    Verify(VerifyArguments),
    /// Say for each step which merges were considered, and why each happened or did not.
    ///
    /// The exit code says whether the expectations hold, whatever the kernel of --against does.
    Explain(ExplainArguments),
    /// Run two scenarios, or one under two kernels, and show the first step that differs.
    Diff(DiffArguments),
    /// Run the memory and process calls of an `strace -f` log.
    Replay(ReplayArguments),
    /// Run random calls in the simulator and beside it, until there is a difference.
    ///
    /// With --live they also run on the running kernel. Otherwise they run in a simulator whose
    /// VMAs are in a plain ordered map, and invariants are checked after every call.
    Fuzz(FuzzArguments),
    /// Print conformance vectors as JSON: calls, results, and the state after each.
    ///
    /// From scenarios, and with --seed generated ones. What ran on the running kernel too, with the
    /// same results and states, says so. A sequence on which the simulator and the kernel differ is
    /// left out, and the exit code is 1.
    Vectors(VectorsArguments),
    /// Measure the hot paths: stores of VMAs, profiles, and the running kernel side by side.
    Bench(BenchArguments),
    /// Print the JSON Schema of the scenario language, or of what `run --json` prints.
    Schema(SchemaArguments),
    /// Print completions for a shell.
    Completions(CompletionsArguments),
    /// Print the manual page, in roff.
    Man,
}

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

/// Arguments of `vmsim explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// The scenario; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// What is simulated instead of what the file says.
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Also say what this kernel does differently.
    #[arg(long, value_name = "PROFILE", value_parser = kernel)]
    pub(crate) against: Option<Kernel>,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `vmsim diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// A scenario; `-` is standard input.
    #[arg(value_name = "A")]
    pub(crate) left: PathBuf,
    /// Another one; without it, the first one under two kernels.
    #[arg(value_name = "B")]
    pub(crate) right: Option<PathBuf>,
    /// The kernels: two, or one for both files.
    #[arg(long, value_name = "PROFILE,…", value_parser = kernel, value_delimiter = ',')]
    pub(crate) kernel: Vec<Kernel>,
    /// The architecture.
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) arch: Option<Arch>,
    /// How much is compared: results, VMAs, flags, or page states and counters too.
    #[arg(long, value_name = "LEVEL", value_parser = level, default_value = "pages")]
    pub(crate) level: Level,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `vmsim vectors`.
#[derive(Args, Debug)]
pub(crate) struct VectorsArguments {
    /// Scenarios; of a directory every *.toml file in it; `-` is standard input.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// Also generate vectors from this seed.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many calls to generate.
    #[arg(long, value_name = "N", default_value_t = 400, requires = "seed")]
    pub(crate) ops: u64,
    /// What generated calls are about.
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "mixed", requires = "seed")]
    pub(crate) mode: Mode,
    /// The kernel: a profile, which is only simulated, or `host`, on which all is verified. Without
    /// it, scenarios have what they say, and generated vectors `host` where that is possible.
    #[arg(long, value_name = "PROFILE", value_parser = kernel)]
    pub(crate) kernel: Option<Kernel>,
}

/// Which machine is simulated.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct MachineArguments {
    /// The kernel whose behaviour is simulated: a profile, or `host`, the running kernel's, found
    /// by trying.
    #[arg(long, value_name = "PROFILE", value_parser = kernel)]
    pub(crate) kernel: Option<Kernel>,
    /// The architecture.
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) arch: Option<Arch>,
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

/// Arguments of `vmsim verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    /// Scenarios; of a directory every *.toml file in it; `-` is standard input.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// The kernel that the simulator behaves as: a profile, or `host`, which is found by trying
    /// what the running kernel does.
    #[arg(long, value_name = "PROFILE", value_parser = kernel, default_value = "host")]
    pub(crate) kernel: Kernel,
    /// How much is compared: results, VMAs, flags, or page states and counters too (these only
    /// with --live).
    #[arg(long, value_name = "LEVEL", value_parser = level, default_value = "pages")]
    pub(crate) level: Level,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A kernel to behave as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kernel {
    /// The running one.
    Host,
    /// A profile.
    Profile(Profile),
}

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

/// Arguments of `vmsim replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArguments {
    /// The log; `-` is standard input.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// What is simulated.
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Print one JSON document and nothing else.
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Only print the differences and the summary.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

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

/// Arguments of `vmsim schema`.
#[derive(Args, Debug)]
pub(crate) struct SchemaArguments {
    /// Of what.
    #[arg(value_enum, default_value_t)]
    pub(crate) of: Schema,
}

/// What there is a schema of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(crate) enum Schema {
    /// The scenario language, as TOML read into JSON.
    #[default]
    Scenario,
    /// The document of `vmsim run --json`.
    Run,
}

/// Arguments of `vmsim completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

fn kernel(name: &str) -> Result<Kernel, String> {
    if name == "host" {
        return Ok(Kernel::Host);
    }
    profile(name)
        .map(Kernel::Profile)
        .map_err(|message| format!("{message}, and host"))
}

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

fn bounded(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok();
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("a number from 1 to {most}"))
}

fn positive(text: &str) -> Result<u64, String> {
    bounded(text, 1 << 28)
}

fn threads(text: &str) -> Result<u64, String> {
    bounded(text, 64)
}

fn repeats(text: &str) -> Result<usize, String> {
    bounded(text, 10_000).map(|number| number as usize)
}

fn mode(name: &str) -> Result<Mode, String> {
    let known = Mode::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, mode)| *mode).ok_or_else(|| {
        let names: Vec<_> = Mode::NAMES.iter().map(|(name, _)| *name).collect();
        format!("the modes are {}", names.join(", "))
    })
}

fn level(name: &str) -> Result<Level, String> {
    let known = Level::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, level)| *level).ok_or_else(|| {
        let names: Vec<_> = Level::NAMES.iter().map(|(name, _)| *name).collect();
        format!("the levels are {}", names.join(", "))
    })
}

fn profile(name: &str) -> Result<Profile, String> {
    name.parse().map_err(|()| {
        let names: Vec<_> = Profile::ALL.iter().map(|profile| profile.name()).collect();
        format!("the profiles are {}", names.join(", "))
    })
}

fn arch(name: &str) -> Result<Arch, String> {
    let known = Arch::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, arch)| *arch).ok_or_else(|| {
        let names: Vec<_> = Arch::NAMES.iter().map(|(name, _)| *name).collect();
        format!("the architectures are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
