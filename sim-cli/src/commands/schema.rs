//! `vmsim schema`: JSON Schemas.

use crate::arguments::{Schema, SchemaArguments};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print;

/// Prints the one that is asked for.
#[expect(clippy::unnecessary_wraps, reason = "all commands have one signature")]
pub(crate) fn run(arguments: &SchemaArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let schema = match arguments.of {
        Schema::Scenario => sim_scenario::schema::language(),
        Schema::Run => sim_scenario::schema::run_document(),
    };
    output.line(print::json(&schema));
    Ok(Ending::Good)
}
