//! Replay: the memory and process calls of a real program, run again in a back end.
//!
//! A log shows what a program asked and what the kernel answered, but not what was there before:
//! the segments of the program, its stack, the break. [`replay`] *adopts* such regions where the log
//! first shows them, and says so. DEVIATION: they are private anonymous memory, whatever they were.
//! Where the kernel chose an address, the back end chooses first, and if it chooses differently the
//! mapping is moved to where the log has it; so the addresses in the rest of the log stay valid.

mod address;
mod adopt;
mod compare;
mod processes;
mod report;
mod run;
pub mod strace;
mod target;
#[cfg(test)]
mod tests;

pub use report::{Adoption, Difference, Explanation, FinalImage, OpCount, Report};
pub use run::replay;
pub use target::ReplayTarget;
