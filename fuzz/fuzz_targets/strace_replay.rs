//! Any bytes as a log, and what can be read of it on the simulator: the invariants hold.
#![no_main]

use sim_core::Setup;
use sim_fork::SimBackend;
use sim_scenario::replay::replay;
use sim_scenario::replay::strace::Trace;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = Trace::parse(bytes) else {
        return;
    };
    let mut setup = Setup::default();
    setup.files.clone_from(&trace.files);
    let mut machine = sim_fork::new_machine(&setup).expect("the default machine has memory");
    let _ = replay(&trace, &mut *machine);
    SimBackend::check_invariants(&*machine).expect("invariants hold");
});
