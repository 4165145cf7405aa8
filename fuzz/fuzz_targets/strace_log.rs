//! Any bytes as a log: an error or a trace, never a panic.
#![no_main]

use sim_scenario::replay::strace::Trace;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Trace::parse(bytes);
});
