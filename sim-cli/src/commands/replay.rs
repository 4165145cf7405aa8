//! `vmsim replay`: the calls of a real program, run again.

use std::fmt::Write as _;

use sim_core::Setup;
use sim_scenario::replay::replay;
use sim_scenario::replay::strace::Trace;

use crate::arguments::ReplayArguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::{print, simulator, sources};

/// Runs them and reports.
pub(crate) fn run(arguments: &ReplayArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let trace = read(arguments)?;
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

fn read(arguments: &ReplayArguments) -> Result<Trace, Trouble> {
    let bytes = sources::read(&arguments.trace)?;
    Trace::parse(&bytes).map_err(|errors| {
        let mut text = String::new();
        for error in errors {
            let _ = writeln!(text, "error: {}:{error}", arguments.trace.display());
        }
        Trouble::WrongInput(text)
    })
}

/// A roomy machine: the log's own results say what the limits were.
fn setup(arguments: &ReplayArguments, trace: &Trace) -> Result<Setup, Trouble> {
    let mut setup = simulator::setup(arguments.machine.kernel)?;
    setup.arch = arguments.machine.arch.unwrap_or_default();
    setup.files.clone_from(&trace.files);
    setup.limits.privileged = true;
    setup.limits.ram = sim_core::Bytes(64 << 30);
    Ok(setup)
}
