//! Criterion benchmarks over vmsim's workload definitions.
