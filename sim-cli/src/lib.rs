//! The `vmsim` command: parses arguments, prints, decides the exit code; nothing else.
//!
//! [`main`] is the whole program. One file in `commands` is one command; `print` turns results into
//! text for people; `ending.rs` is the only place that knows exit codes.

mod arguments;
mod commands;
mod ending;
mod live;
mod output;
mod peaks;
mod print;
mod scenarios;
mod simulator;
mod sources;
mod trace_script;
mod walk;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use ending::{Ending, Trouble};
use output::Output;

/// Runs the command that the program's arguments say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ending::of_usage(&error),
    };
    let mut output = Output::stdout(arguments.color);
    let result = dispatch(&arguments.command, &mut output);
    ending::conclude(result, &mut output)
}

fn dispatch(command: &Command, output: &mut Output) -> Result<Ending, Trouble> {
    match command {
        Command::Run(arguments) => commands::run::run(arguments, output),
        Command::Explain(arguments) => commands::explain::run(arguments, output),
        Command::Diff(arguments) => commands::diff::run(arguments, output),
        Command::Replay(arguments) => commands::replay::run(arguments, output),
        Command::Verify(arguments) => commands::verify::run(arguments, output),
        Command::Fuzz(arguments) => commands::fuzz::run(arguments, output),
        Command::Vectors(arguments) => commands::vectors::run(arguments, output),
        Command::Bench(arguments) => commands::bench::run(arguments, output),
        Command::Schema(arguments) => commands::schema::run(arguments, output),
        Command::Completions(arguments) => commands::completions::run(arguments, output),
        Command::Man => commands::man::run(output),
    }
}
