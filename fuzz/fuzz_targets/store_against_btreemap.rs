//! Any bytes as changes of the VMA store: it answers as a `BTreeMap` does.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim_oracle::fuzz_targets::store_against_btreemap(bytes));
