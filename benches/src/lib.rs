//! Criterion benchmarks over vmsim's workload definitions.

pub mod store;
