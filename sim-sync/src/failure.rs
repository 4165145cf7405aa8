//! Checks that are expected to fail, for model checks.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

std::thread_local! {
    /// This thread's panics are expected.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a check that is expected to panic, and returns the message if it did; nothing is printed.
pub fn failure(check: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(silence_expected);
    EXPECTED.set(true);
    let result = catch_unwind(AssertUnwindSafe(check));
    EXPECTED.set(false);
    let payload = result.err()?;
    let literal = payload.downcast_ref::<&str>().map(|&text| text.to_owned());
    let text = literal.or_else(|| payload.downcast_ref::<String>().cloned());
    Some(text.unwrap_or_else(|| "failed".to_owned()))
}

fn silence_expected() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !EXPECTED.get() {
            loud(info);
        }
    }));
}
