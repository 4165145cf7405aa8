//! The text of a scenario file, and places in it.

use std::ops::Range;

/// Bytes `start..end` of a scenario's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The part `within` of this span's text, clamped to the text.
    #[must_use]
    pub fn part(self, within: Range<usize>) -> Self {
        let start = self.start.saturating_add(within.start).min(self.end);
        let end = self.start.saturating_add(within.end).clamp(start, self.end);
        Self { start, end }
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}

/// A value and where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Placed<T> {
    /// `value`, written at `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A scenario's name (its path) and text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// The text called `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// Its name: the path that was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place where a span begins.
    pub fn place(&self, span: Span) -> Place {
        let at = self.char_boundary(span.start);
        let line = self.line_starts.partition_point(|&start| start <= at);
        let start = self.line_starts[line - 1];
        Place {
            line,
            column: self.text[start..at].chars().count() + 1,
        }
    }

    /// The text of a line, counted from 1, without its end; empty beyond the last one.
    pub fn line(&self, line: usize) -> &str {
        let Some(&start) = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index))
        else {
            return "";
        };
        let end = self
            .line_starts
            .get(line)
            .map_or(self.text.len(), |&next| next);
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// How many characters a span covers on its first line, at least one.
    pub(crate) fn width_on_line(&self, span: Span) -> usize {
        let start = self.char_boundary(span.start);
        let end = self.char_boundary(span.end.max(start));
        let text = &self.text[start..end];
        let first = text.split(['\n', '\r']).next().unwrap_or("");
        first.chars().count().max(1)
    }

    fn char_boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
