//! The `vmsim` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sim_cli::main()
}
