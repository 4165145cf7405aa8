//! What every part of the parser needs: where errors go, and tables with their places.

use std::collections::BTreeSet;

use sim_core::FileSpec;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Span;

/// A value with its place, as the TOML parser gives it.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The parser's state.
pub(super) struct Context {
    pub(super) diagnostics: Diagnostics,
    /// The files that are declared; a file that is declared wrongly is among them, too.
    pub(super) files: Vec<FileSpec>,
    /// Names given by steps that are wrong: whoever uses one is not to blame.
    pub(super) half_known: BTreeSet<String>,
}

impl Context {
    /// Reports an error; `None`, so that it can be returned.
    pub(super) fn error<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.diagnostics.push(diagnostic);
        None
    }

    /// Reports that a value has the wrong type.
    pub(super) fn wrong_type<T>(&mut self, value: &Value<'_>, expected: &str) -> Option<T> {
        let message = format!("this is {}", type_of(value.get_ref()));
        self.error(Diagnostic::new(span_of(value), message).expected(expected))
    }
}

/// Where a value is.
pub(super) fn span_of<T>(value: &Spanned<T>) -> Span {
    value.span().into()
}

/// What a value is, for people.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The place of a part of a string's content. Exact unless the string has escapes.
pub(super) fn part_of(value: &Value<'_>, text: &str, part: &str) -> Span {
    let whole = span_of(value);
    let quotes = (whole.end - whole.start).saturating_sub(text.len());
    let offset = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    match offset {
        Some(offset) if quotes == 2 && offset + part.len() <= text.len() => {
            let start = offset + 1;
            whole.part(start..start + part.len())
        }
        _ => whole,
    }
}

/// A table whose keys are known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t> {
    table: &'t DeTable<'t>,
    /// Where errors about the table as a whole belong.
    pub(super) span: Span,
}

impl<'t> Fields<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, span: Span) -> Self {
        Self { table, span }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t Value<'t>> {
        self.table.get(name)
    }

    pub(super) fn table(&self) -> &'t DeTable<'t> {
        self.table
    }

    /// Reports keys that are none of `known`. `what` says what the table is.
    pub(super) fn refuse_unknown(&self, cx: &mut Context, what: &str, known: &[&str]) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let diagnostic = Diagnostic::new(span_of(key), format!("{what} has no `{name}`"))
                .expected(format!("one of: {}", known.join(", ")))
                .did_you_mean(name, known.iter().copied());
            cx.diagnostics.push(diagnostic);
        }
    }

    /// A value that must be there.
    pub(super) fn required(
        &self,
        cx: &mut Context,
        what: &str,
        name: &str,
    ) -> Option<&'t Value<'t>> {
        let value = self.get(name);
        if value.is_none() {
            let message = format!("{what} needs `{name}`");
            cx.diagnostics.push(Diagnostic::new(self.span, message));
        }
        value
    }
}

/// The table that a value is, or a report.
pub(super) fn table<'t>(
    cx: &mut Context,
    value: &'t Value<'t>,
    expected: &str,
) -> Option<Fields<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(Fields::new(table, span_of(value))),
        _ => cx.wrong_type(value, expected),
    }
}
