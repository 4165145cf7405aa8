//! Is an outcome the expected one?

use sim_core::{Call, Errno, Outcome};

use crate::scenario::{Expect, RangeExpr};

/// What is wrong with an outcome; `None` if it is an expected one. `address` resolves a range.
pub(super) fn judge(
    expect: &Expect,
    call: &Call,
    outcome: Outcome,
    address: impl Fn(&RangeExpr) -> Result<u64, String>,
) -> Option<String> {
    let mut wanted = Vec::new();
    for alternative in expect.alternatives() {
        match is(alternative, call, outcome, &address) {
            Ok((true, _)) => return None,
            Ok((false, text)) => wanted.push(text),
            Err(why) => return Some(why),
        }
    }
    Some(format!("expected {}, got {outcome}", wanted.join(" or ")))
}

/// Is it this one, and what would be?
fn is(
    expect: &Expect,
    call: &Call,
    outcome: Outcome,
    address: impl Fn(&RangeExpr) -> Result<u64, String>,
) -> Result<(bool, String), String> {
    Ok(match expect {
        Expect::Any => (true, "anything".to_owned()),
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
        Expect::Address(range) => {
            let value = address(range)?;
            (outcome == Outcome::Value(value), format!("{value:#x}"))
        }
        Expect::UffdWait => (outcome == Outcome::UffdWait, Outcome::UffdWait.to_string()),
        Expect::Livelock => (outcome == Outcome::Livelock, Outcome::Livelock.to_string()),
        Expect::OneOf(_) => unreachable!("lists of outcomes are not nested"),
    })
}

/// `brk(2)` reports failure by returning the break that it did not move.
fn break_stayed(call: &Call, outcome: Outcome) -> bool {
    match (call, outcome) {
        (Call::Brk(wanted), Outcome::Value(value)) => wanted.get() != 0 && wanted.get() != value,
        _ => false,
    }
}
