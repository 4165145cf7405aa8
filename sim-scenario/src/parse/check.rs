//! `check`: assertions about state.

use toml::de::DeValue;

use sim_core::{Bytes, Smaps, VmFlags};

use super::context::{Context, Fields, Value, part_of, span_of};
use super::maps_line::maps;
use super::pages::pages;
use super::range::{self, Want};
use super::{scalar, vma_line, words};
use crate::diagnostics::Diagnostic;
use crate::scenario::{Check, CounterTerm, FlagTerms, RangeExpr};
use crate::source::{Placed, Span};

/// Reads what a check asserts.
pub(super) fn check(cx: &mut Context, fields: &Fields<'_>) -> Option<Check> {
    let errors = cx.diagnostics.len();
    let mut check = Check::default();
    if let Some(value) = fields.get("vmas") {
        check.vmas = vma_line::lines(cx, value).unwrap_or_default();
    }
    if let Some(value) = fields.get("count") {
        count(cx, value, &mut check);
    }
    if let Some(value) = fields.get("flags") {
        check.flags = by_range(cx, value, flags);
    }
    if let Some(value) = fields.get("pages") {
        check.pages = by_range(cx, value, pages);
    }
    if let Some(value) = fields.get("smaps") {
        smaps(cx, value, &mut check);
    }
    if let Some(value) = fields.get("maps") {
        check.maps = maps(cx, value);
    }
    if let Some(value) = fields.get("invariants") {
        check.invariants = scalar::boolean(cx, value).unwrap_or(false);
    }
    (cx.diagnostics.len() == errors).then_some(check)
}

fn count(cx: &mut Context, value: &Value<'_>, check: &mut Check) {
    if let DeValue::Table(_) = value.get_ref() {
        let number = |cx: &mut Context, value: &Value<'_>| scalar::integer(cx, value, u64::MAX);
        check.counts = by_range(cx, value, number);
        return;
    }
    let count = scalar::integer(cx, value, u64::MAX);
    check.count = count.map(|count| Placed::new(count, span_of(value)));
}

/// A table whose keys are ranges.
fn by_range<T>(
    cx: &mut Context,
    value: &Value<'_>,
    parse: impl Fn(&mut Context, &Value<'_>) -> Option<T>,
) -> Vec<Placed<(RangeExpr, T)>> {
    let DeValue::Table(table) = value.get_ref() else {
        cx.wrong_type::<()>(value, "a table from ranges: { \"buf[2..4]\" = … }");
        return Vec::new();
    };
    let mut out = Vec::new();
    for (key, value) in table {
        let range = range::range_text(cx, key.get_ref(), span_of(key), Want::Range);
        let parsed = parse(cx, value);
        if let (Some(range), Some(parsed)) = (range, parsed) {
            out.push(Placed::new((range, parsed), span_of(value)));
        }
    }
    out
}

/// `"+gu -lo"`, or exactly `"rd wr mr mw me"`.
fn flags(cx: &mut Context, value: &Value<'_>) -> Option<FlagTerms> {
    let mut terms = FlagTerms::default();
    let mut right = true;
    for word in words::words(cx, value)? {
        right &= flag_term(cx, word, &mut terms).is_some();
    }
    if terms.exactly.is_some() && !(terms.set | terms.clear).is_empty() {
        let message = "all flags are listed here, so none of them needs a sign";
        return cx.error(Diagnostic::new(span_of(value), message));
    }
    right.then_some(terms)
}

/// Adds `+gu`, `-gu` or `gu` to what flags must be.
pub(super) fn flag_term(cx: &mut Context, word: Placed<&str>, terms: &mut FlagTerms) -> Option<()> {
    let (sign, name) = match word.value.chars().next() {
        Some(sign @ ('+' | '-')) => (Some(sign), &word.value[1..]),
        _ => (None, word.value),
    };
    let Some(flag) = VmFlags::from_mnemonic(name) else {
        let message = format!("`{name}` is not a flag of smaps");
        let names: Vec<_> = VmFlags::all_mnemonics().map(|(_, name)| name).collect();
        return cx.error(
            Diagnostic::new(word.span, message)
                .expected(format!("one of: {}", names.join(" ")))
                .did_you_mean(name, names),
        );
    };
    match sign {
        Some('+') => terms.set |= flag,
        Some(_) => terms.clear |= flag,
        None => terms.exactly = Some(terms.exactly.unwrap_or_default() | flag),
    }
    Some(())
}

/// `{ buf = { Rss = 8 } }` or `{ buf = "Rss=8 Swap=0" }`.
fn smaps(cx: &mut Context, value: &Value<'_>, check: &mut Check) {
    for entry in by_range(cx, value, counters) {
        let (range, terms) = entry.value;
        check.smaps.extend(
            terms
                .into_iter()
                .map(|term| Placed::new((range.clone(), term.value), term.span)),
        );
    }
}

fn counters(cx: &mut Context, value: &Value<'_>) -> Option<Vec<Placed<CounterTerm>>> {
    let mut terms = Vec::new();
    if let DeValue::Table(table) = value.get_ref() {
        for (key, value) in table {
            let counter = counter(cx, key.get_ref(), span_of(key))?;
            let value = kilobytes(cx, value)?;
            terms.push(Placed::new(CounterTerm { counter, value }, span_of(key)));
        }
        return Some(terms);
    }
    let DeValue::String(text) = value.get_ref() else {
        return cx.wrong_type(value, "counters: { Rss = 8, Swap = 0 } or \"Rss=8 Swap=0\"");
    };
    for word in text.split_whitespace() {
        let span = part_of(value, text, word);
        let Some((name, number)) = word.split_once('=') else {
            let message = format!("`{word}` has no value");
            return cx.error(Diagnostic::new(span, message).expected("COUNTER=kB"));
        };
        let counter = counter(cx, name, span)?;
        let Ok(value) = number.parse() else {
            let message = format!("`{number}` is not a number of kB");
            return cx.error(Diagnostic::new(span, message));
        };
        terms.push(Placed::new(CounterTerm { counter, value }, span));
    }
    Some(terms)
}

/// A bare number is kB as in smaps; a string is a size.
fn kilobytes(cx: &mut Context, value: &Value<'_>) -> Option<u64> {
    match value.get_ref() {
        DeValue::String(_) => scalar::bytes(cx, value).map(|Bytes(bytes)| bytes / 1024),
        _ => scalar::integer(cx, value, u64::MAX),
    }
}

fn counter(cx: &mut Context, name: &str, span: Span) -> Option<&'static str> {
    let smaps = Smaps::default();
    let names: Vec<_> = smaps.counters().map(|(name, _)| name).collect();
    if let Some(known) = names.iter().find(|known| **known == name) {
        return Some(known);
    }
    let message = format!("`{name}` is not a counter of smaps");
    cx.error(
        Diagnostic::new(span, message)
            .expected(format!("one of: {}", names.join(", ")))
            .did_you_mean(name, names),
    )
}
