//! `vmsim man`: the manual page of vmsim and its commands.

use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;

/// Prints it: the page of vmsim itself, then those of its commands.
pub(crate) fn run(output: &mut Output) -> Result<Ending, Trouble> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    render(&command, &mut pages)?;
    for subcommand in command.get_subcommands() {
        render(subcommand, &mut pages)?;
    }
    output.text(pages);
    Ok(Ending::Good)
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> Result<(), Trouble> {
    clap_mangen::Man::new(command.clone())
        .render(pages)
        .map_err(|error| Trouble::Impossible(format!("cannot render the manual page: {error}")))
}
