//! Diagnostics as text: place, message, the line with a caret, what was expected, a hint.

use std::fmt::Write as _;

use super::{Diagnostic, Diagnostics};

/// Whether text is coloured with ANSI sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colors {
    /// Plain text.
    None,
    /// Colours of a terminal.
    Ansi,
}

/// Characters of a line that are shown around the caret.
const MAX_LINE: usize = 160;

struct Paint {
    error: &'static str,
    strong: &'static str,
    frame: &'static str,
    off: &'static str,
}

impl Paint {
    const fn of(colors: Colors) -> Self {
        match colors {
            Colors::None => Self {
                error: "",
                strong: "",
                frame: "",
                off: "",
            },
            Colors::Ansi => Self {
                error: "\x1b[1;31m",
                strong: "\x1b[1m",
                frame: "\x1b[1;34m",
                off: "\x1b[0m",
            },
        }
    }
}

pub(super) fn render(diagnostics: &Diagnostics, colors: Colors) -> String {
    let mut out = String::new();
    let paint = Paint::of(colors);
    for diagnostic in &diagnostics.list {
        one(&mut out, diagnostics, diagnostic, &paint);
    }
    if diagnostics.left_out > 0 {
        let _ = writeln!(out, "… and {} more errors", diagnostics.left_out);
    }
    out
}

fn one(out: &mut String, diagnostics: &Diagnostics, diagnostic: &Diagnostic, paint: &Paint) {
    let source = diagnostics.source();
    let place = source.place(diagnostic.span);
    let Paint {
        error,
        strong,
        frame,
        off,
    } = paint;
    let at = match source.text() {
        // It is about the file as a whole.
        "" => String::new(),
        _ => format!(":{}:{}", place.line, place.column),
    };
    let _ = writeln!(
        out,
        "{strong}{}{at}:{off} {error}error:{off} {strong}{}{off}",
        source.name(),
        printable(&diagnostic.message),
    );
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    if !source.text().is_empty() {
        let width = source.width_on_line(diagnostic.span);
        let (line, indent, width) = excerpt(source.line(place.line), place.column - 1, width);
        let carets = "^".repeat(width);
        let _ = writeln!(out, "{frame}{number} |{off} {line}");
        let _ = writeln!(out, "{frame}{margin} |{off} {indent}{error}{carets}{off}");
    }
    if let Some(expected) = &diagnostic.expected {
        let _ = writeln!(
            out,
            "{frame}{margin} ={off} expected: {}",
            printable(expected)
        );
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = writeln!(out, "{frame}{margin} ={off} hint: {}", printable(hint));
    }
}

/// The part of a line to show, the text that indents the caret under it, and the caret's width.
fn excerpt(line: &str, column: usize, width: usize) -> (String, String, usize) {
    let chars: Vec<char> = line.chars().collect();
    let first = if chars.len() <= MAX_LINE {
        0
    } else {
        column.saturating_sub(MAX_LINE / 2)
    };
    let last = chars.len().min(first + MAX_LINE);
    let shown: String = chars[first.min(last)..last]
        .iter()
        .map(|&c| visible(c))
        .collect();
    let before = column.saturating_sub(first);
    let room = (last.saturating_sub(first) + 1).saturating_sub(before);
    (shown, " ".repeat(before), width.min(room.max(1)))
}

/// Control characters must not reach a terminal, and a tab is one column wide here.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Text without control characters, and not longer than people read.
fn printable(text: &str) -> String {
    const MAX: usize = 600;
    let clean = |c: char| if c == '\n' { ' ' } else { visible(c) };
    let mut out: String = text.chars().take(MAX).map(clean).collect();
    if text.chars().nth(MAX).is_some() {
        out.push('…');
    }
    out
}
