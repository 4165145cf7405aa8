//! The command line.

mod bench;
mod fuzz;
mod run;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sim_core::Arch;
use sim_oracle::Level;
use sim_oracle::generate::Mode;

use self::values::{arch, counter, kernel, level, mode};

pub(crate) use self::bench::BenchArguments;
pub(crate) use self::fuzz::FuzzArguments;
pub(crate) use self::run::RunArguments;
pub(crate) use self::values::Kernel;

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
    /// Counters of smaps that are not compared: `Referenced`, where somebody else looks at accessed
    /// bits.
    #[arg(long, value_name = "COUNTER", value_parser = counter, value_delimiter = ',')]
    pub(crate) ignore: Vec<&'static str>,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
