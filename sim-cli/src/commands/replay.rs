//! `vmsim replay`: the calls of a real program, run again.

use sim_core::Setup;
use sim_scenario::replay::replay;
use sim_scenario::replay::strace::Trace;

use crate::arguments::ReplayArguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::{print, simulator, sources, trace_script};

/// Runs them and reports.
pub(crate) fn run(arguments: &ReplayArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let trace = sources::trace(&arguments.trace)?;
    let mut target = simulator::new(&setup(arguments, &trace)?)?;
    let report =
        replay(&trace, &mut *target).map_err(|error| Trouble::Impossible(error.to_string()))?;
    if arguments.json {
        output.line(print::replay_json::document(&trace, &report));
    } else {
        print::replay::report(&trace, &report, arguments.quiet, output);
    }
    Ok(Ending::good_if(report.unexplained() == 0))
}

/// A roomy machine: the log's own results say what the limits were.
fn setup(arguments: &ReplayArguments, trace: &Trace) -> Result<Setup, Trouble> {
    let setup = simulator::setup(arguments.machine.kernel)?;
    Ok(Setup {
        arch: arguments.machine.arch.unwrap_or_default(),
        ..trace_script::roomy(setup, trace)
    })
}
