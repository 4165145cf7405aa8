//! Any text as a scenario: diagnostics that can be shown or a scenario, never a panic.
#![no_main]

use sim_scenario::{Colors, Overrides, Scenario};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(diagnostics) = Scenario::parse("fuzz", text, Overrides::default()) {
        assert!(!diagnostics.render(Colors::None).is_empty());
    }
});
