//! Patterns of page states: `present exclusive -huge`, `none | guard`.

use super::context::{Context, Value, part_of, span_of};
use super::scalar;
use crate::diagnostics::Diagnostic;
use crate::scenario::{PageKind, PagePattern, PageTerm};
use crate::source::{Placed, Span};

/// `"present exclusive -huge"`, `"none | guard"`.
pub(super) fn pages(cx: &mut Context, value: &Value<'_>) -> Option<PagePattern> {
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
