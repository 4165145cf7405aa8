//! Is an outcome the expected one?

use sim_core::{Call, Errno, Outcome};

use crate::scenario::{Expect, RangeExpr};

/// What is wrong with an outcome; `None` if it is the expected one. `address` resolves a range.
pub(super) fn judge(
    expect: &Expect,
    call: &Call,
    outcome: Outcome,
    address: impl Fn(&RangeExpr) -> Result<u64, String>,
) -> Option<String> {
    let (holds, expected) = match expect {
        Expect::Any => return None,
        Expect::Ok => (
            outcome.is_ok() && !break_stayed(call, outcome),
            "ok".to_owned(),
        ),
        Expect::Errno(errno) => (
            outcome == Outcome::Errno(*errno)
                || (*errno == Errno::ENOMEM && break_stayed(call, outcome)),
            errno.to_string(),
        ),
        Expect::Signal(signal) => (outcome == Outcome::Signal(*signal), signal.to_string()),
        Expect::Value(value) => (outcome == Outcome::Value(*value), format!("{value:#x}")),
        Expect::Address(range) => match address(range) {
            Ok(value) => (outcome == Outcome::Value(value), format!("{value:#x}")),
            Err(why) => return Some(why),
        },
        Expect::UffdWait => (outcome == Outcome::UffdWait, Outcome::UffdWait.to_string()),
        Expect::Livelock => (outcome == Outcome::Livelock, Outcome::Livelock.to_string()),
    };
    (!holds).then(|| format!("expected {expected}, got {outcome}"))
}

/// `brk(2)` reports failure by returning the break that it did not move.
fn break_stayed(call: &Call, outcome: Outcome) -> bool {
    match (call, outcome) {
        (Call::Brk(wanted), Outcome::Value(value)) => wanted.get() != 0 && wanted.get() != value,
        _ => false,
    }
}
