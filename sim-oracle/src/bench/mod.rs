//! Workloads that measure the hot paths of memory management, and how they are measured.
//!
//! ```text
//!   Spec ──▶ Work (work/): rounds of calls, the same from the same seed
//!                │
//!                ▼
//!   Player: warms up, times rounds on a Target ┬ Simulated (a machine with a store of VMAs)
//!                │                             └ System    (real system calls, in a process of its own)
//!                ▼
//!   race(): contestants by turns in random order ──▶ Figures: medians, percentiles, spread
//! ```
//!
//! A workload is defined once, as [`Call`](sim_core::Call)s; the command `vmsim bench` and the
//! criterion benches run the same ones. Making the calls of a round, and undoing what it did, is
//! never timed.

mod arena;
mod contest;
mod counters;
mod error;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[expect(unsafe_code, reason = "system calls and processes that make them")]
pub mod live;
mod player;
mod round;
mod simulated;
mod spec;
mod stats;
#[cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "the clock of a thread is a system call")
)]
mod stopwatch;
mod work;
mod workload;

#[cfg(test)]
mod tests;

pub use contest::{Contestant, Figures, race};
pub use counters::{Count, count};
pub use error::BenchError;
pub use player::{Effort, Player, Repeat};
pub use round::{Failure, Round, Script, Shape, Step, Target, Timed};
pub use simulated::{Simulated, StoreName};
pub use spec::Spec;
pub use work::mixed_scripts;
pub use workload::{Axis, Workload};
