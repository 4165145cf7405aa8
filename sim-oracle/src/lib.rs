//! What vmsim is compared with: the live kernel, a reference model, generators, the differential runner.

pub mod compare;
pub mod lockstep;

pub use compare::{Comparison, Difference, Level};
pub use lockstep::{Divergence, Lockstep};
