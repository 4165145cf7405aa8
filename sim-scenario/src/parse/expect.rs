//! What outcome a step expects.

use sim_core::{Errno, Signal};
use toml::de::DeValue;

use super::context::{Context, Value, span_of};
use super::range::{self, Want};
use super::{scalar, size};
use crate::diagnostics::Diagnostic;
use crate::scenario::{Expect, RangeKind};
use crate::source::Placed;

const FORMS: &str = "\"ok\", \"any\", an errno (\"ENOMEM\"), a signal (\"SIGSEGV\"), a value \
     (\"0x7f0000000000\", 7), \"UFFD_WAIT\" or \"LIVELOCK\", or a list of these";

/// An expectation.
pub(super) fn expect(cx: &mut Context, value: &Value<'_>) -> Option<Placed<Expect>> {
    let span = span_of(value);
    let expect = match value.get_ref() {
        DeValue::Array(list) if !list.is_empty() => {
            let all: Vec<_> = list.iter().map(|value| one(cx, value)).collect();
            all.into_iter().collect::<Option<_>>().map(Expect::OneOf)
        }
        _ => one(cx, value),
    };
    Some(Placed::new(expect?, span))
}

fn one(cx: &mut Context, value: &Value<'_>) -> Option<Expect> {
    match value.get_ref() {
        DeValue::Integer(_) => scalar::number(cx, value, u64::MAX, FORMS).map(Expect::Value),
        DeValue::String(text) => from_text(cx, value, text.trim()),
        _ => cx.wrong_type(value, FORMS),
    }
}

fn from_text(cx: &mut Context, value: &Value<'_>, text: &str) -> Option<Expect> {
    match text {
        "ok" => return Some(Expect::Ok),
        "any" => return Some(Expect::Any),
        "UFFD_WAIT" => return Some(Expect::UffdWait),
        "LIVELOCK" => return Some(Expect::Livelock),
        _ => {}
    }
    if let Ok(errno) = text.parse() {
        return Some(Expect::Errno(errno));
    }
    if let Ok(signal) = text.parse() {
        return Some(Expect::Signal(signal));
    }
    if let Ok(number) = size::parse(text) {
        return Some(Expect::Value(number));
    }
    if is_a_place(text) {
        let range = range::range_text(cx, text, span_of(value), Want::RangeOrAddress)?;
        return match &range.kind {
            RangeKind::Named { .. } => Some(Expect::Address(range)),
            RangeKind::Absolute(range) => Some(Expect::Value(range.addr.get())),
        };
    }
    let names = Errno::ALL.iter().map(|errno| errno.name());
    let names = names.chain(Signal::ALL.iter().map(|signal| signal.name()));
    let names = names.chain(["ok", "any", "UFFD_WAIT", "LIVELOCK"]);
    let diagnostic = Diagnostic::new(span_of(value), format!("`{text}` is no outcome"))
        .expected(FORMS)
        .did_you_mean(text, names);
    cx.error(diagnostic)
}

/// `buf[2]` and the like: an address by name has to say which page, so that a mistyped outcome is
/// not taken for a name.
fn is_a_place(text: &str) -> bool {
    text.ends_with(']')
}
