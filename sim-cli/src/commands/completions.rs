//! `vmsim completions`: completions for a shell.

use clap::CommandFactory as _;

use crate::arguments::{Arguments, CompletionsArguments};
use crate::ending::{Ending, Trouble};
use crate::output::Output;

/// Prints them.
#[expect(clippy::unnecessary_wraps, reason = "all commands have one signature")]
pub(crate) fn run(
    arguments: &CompletionsArguments,
    output: &mut Output,
) -> Result<Ending, Trouble> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "vmsim", &mut script);
    output.text(script);
    Ok(Ending::Good)
}
