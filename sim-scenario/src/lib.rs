//! The vmsim scenario language: parser, runner, expectations, strace importer.
//!
//! A scenario is a TOML file that says what programs ask of memory management and what they
//! expect. [`Scenario::parse`] reads one, or says everything that is wrong with it
//! ([`Diagnostics`]); [`run`] runs it on any [`Backend`](sim_core::Backend) and gives a
//! [`RunReport`]; [`RunDocument`] is that report as the JSON of `vmsim run --json`. Who wants to
//! drive back ends by hand, e.g. two in lockstep, takes an [`Executor`]. [`schema`] has the JSON
//! Schemas of the language and of the document.

mod check;
pub mod diagnostics;
mod document;
mod executor;
mod explore;
mod language;
mod parallel;
mod parse;
pub mod replay;
mod report;
mod runner;
pub mod scenario;
mod schedule;
pub mod schema;
pub mod source;
mod stepper;
mod validate;

pub use diagnostics::{Colors, Diagnostic, Diagnostics};
pub use document::{ProcessDocument, ResultDocument, RunDocument, StepDocument};
pub use executor::{Action, CallAction, CallRole, CheckAction, Executor};
pub use explore::{Again, explore};
pub use report::{Failure, ProcessReport, RunReport, ScheduleReport, StepReport, StepResult};
pub use runner::{Observer, RunError, Unobserved, run, run_scheduled};
pub use scenario::{Overrides, Scenario};
pub use schedule::{Schedule, Schedules};
pub use stepper::{Finished, Stepper};
