//! What vmsim is compared with: the live kernel, a reference model, generators, the differential runner.

pub mod bench;
pub mod compare;
pub mod fuzz;
pub mod fuzz_targets;
pub mod generate;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[expect(
    unsafe_code,
    reason = "system calls and memory shared with real processes"
)]
pub mod live;
pub mod lockstep;
pub mod model;
pub mod render;
pub mod shrink;
pub mod threads;

pub use compare::{Comparison, Difference, Level};
pub use lockstep::{Divergence, Lockstep};
pub use model::Model;
