//! Any bytes as calls: the simulator does what the reference model does.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim_oracle::fuzz_targets::calls_against_model(bytes));
