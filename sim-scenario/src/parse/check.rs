//! `check`: assertions about state.

use toml::de::DeValue;

use sim_core::{Bytes, Smaps, VirtAddr, VmFlags};

use super::context::{Context, Fields, Value, part_of, span_of};
use super::range::{self, Want};
use super::{scalar, size, vma_line, words};
use crate::diagnostics::Diagnostic;
use crate::scenario::{
    Check, CounterTerm, FlagTerms, MapsLine, PageKind, PagePattern, PageTerm, RangeExpr,
};
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

/// `"present exclusive -huge"`, `"none | guard"`.
fn pages(cx: &mut Context, value: &Value<'_>) -> Option<PagePattern> {
    let text = scalar::text(cx, value)?;
    let mut pattern = Vec::new();
    for alternative in text.split('|') {
        let words = alternative
            .split_whitespace()
            .map(|word| Placed::new(word, part_of(value, text, word)));
        pattern.push(page_term(cx, words, span_of(value))?);
    }
    Some(pattern)
}

fn page_term<'t>(
    cx: &mut Context,
    mut words: impl Iterator<Item = Placed<&'t str>>,
    span: Span,
) -> Option<PageTerm> {
    let names = PageKind::NAMES.iter().map(|(name, _)| *name);
    let expected = "none, present, swap, guard, poison, marker or migration";
    let Some(state) = words.next() else {
        return cx.error(Diagnostic::new(span, "the state is missing").expected(expected));
    };
    let known = PageKind::NAMES
        .iter()
        .find(|(name, _)| *name == state.value);
    let Some((_, kind)) = known else {
        let message = format!("`{}` is not the state of a page", state.value);
        let diagnostic = Diagnostic::new(state.span, message).expected(expected);
        return cx.error(diagnostic.did_you_mean(state.value, names));
    };
    let mut term = PageTerm {
        kind: *kind,
        exclusive: None,
        file: None,
        huge: None,
        uffd_wp: None,
        soft_dirty: None,
    };
    for word in words {
        qualify(cx, word, &mut term)?;
    }
    Some(term)
}

fn qualify(cx: &mut Context, word: Placed<&str>, term: &mut PageTerm) -> Option<()> {
    const NAMES: [&str; 8] = [
        "exclusive",
        "shared",
        "file",
        "anon",
        "huge",
        "small",
        "uffd_wp",
        "soft_dirty",
    ];
    let (yes, name) = match word.value.strip_prefix('-') {
        Some(name) => (false, name),
        None => (true, word.value.strip_prefix('+').unwrap_or(word.value)),
    };
    let present_only = !matches!(name, "uffd_wp" | "soft_dirty");
    let allowed = match term.kind {
        PageKind::Present => true,
        PageKind::Swap => !present_only,
        PageKind::None
        | PageKind::Guard
        | PageKind::Poison
        | PageKind::Marker
        | PageKind::Migration => false,
    };
    let (field, value) = match name {
        "exclusive" => (&mut term.exclusive, yes),
        "shared" => (&mut term.exclusive, !yes),
        "file" => (&mut term.file, yes),
        "anon" => (&mut term.file, !yes),
        "huge" => (&mut term.huge, yes),
        "small" => (&mut term.huge, !yes),
        "uffd_wp" => (&mut term.uffd_wp, yes),
        "soft_dirty" => (&mut term.soft_dirty, yes),
        _ => {
            return cx.error(
                Diagnostic::new(word.span, format!("`{name}` does not qualify a page"))
                    .expected(format!(
                        "some of: {} (or - and one of them)",
                        NAMES.join(", ")
                    ))
                    .did_you_mean(name, NAMES),
            );
        }
    };
    if !allowed {
        let message = format!("a page that is `{}` is never `{name}`", term.kind.name());
        return cx.error(Diagnostic::new(word.span, message));
    }
    *field = Some(value);
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

/// All lines of maps, as an array of lines or as one text.
fn maps(cx: &mut Context, value: &Value<'_>) -> Option<Placed<Vec<Placed<MapsLine>>>> {
    let list: Vec<&Value<'_>> = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        DeValue::String(_) => vec![value],
        _ => return cx.wrong_type(value, "the lines of maps"),
    };
    let mut lines = Vec::new();
    for item in list {
        let text = scalar::text(cx, item)?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let span = part_of(item, text, line);
            match maps_line(line) {
                Some(line) => lines.push(Placed::new(line, span)),
                None => {
                    return cx.error(
                        Diagnostic::new(span, "this is not a line of /proc/PID/maps")
                            .expected("START-END PERMS OFFSET [DEVICE INODE] [NAME]"),
                    );
                }
            }
        }
    }
    Some(Placed::new(lines, span_of(value)))
}

fn maps_line(line: &str) -> Option<MapsLine> {
    let hex = |text: &str| size::parse(&format!("0x{text}")).ok();
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let perms = vma_line::perms(words.next()?)?;
    let offset = hex(words.next()?)?;
    let mut rest: Vec<&str> = words.collect();
    if rest.first().is_some_and(|word| is_device(word)) {
        rest.drain(..2.min(rest.len()));
    }
    Some(MapsLine {
        start: VirtAddr::new(hex(start)?),
        end: VirtAddr::new(hex(end)?),
        perms,
        offset,
        name: rest.join(" "),
    })
}

fn is_device(word: &str) -> bool {
    word.split_once(':').is_some_and(|(major, minor)| {
        let hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
        hex(major) && hex(minor)
    })
}
