//! What is wrong with a scenario, and where.
//!
//! A file's errors are collected in one [`Diagnostics`]; nothing runs while there are any.
//! [`Diagnostics::render`] shows them with the lines they are about.

mod render;
mod suggest;

use std::fmt;
use std::sync::Arc;

use crate::source::{Place, Source, Span};

pub use render::Colors;
pub use suggest::nearest;

/// Errors of a file that are kept; what comes after them is only counted.
const MAX_KEPT: usize = 100;

/// One thing that is wrong with a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What would have been right there.
    pub expected: Option<String>,
    /// What may have been meant.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// `message`, about `span`.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            expected: None,
            hint: None,
        }
    }

    /// The same, saying what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// The same, with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with the nearest of `names` to `name` as hint, if one is near.
    #[must_use]
    pub fn did_you_mean<'n>(self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match nearest(name, names) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Everything that is wrong with one file.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    source: Arc<Source>,
    list: Vec<Diagnostic>,
    left_out: usize,
}

impl Diagnostics {
    /// None yet, about `source`.
    pub fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            list: Vec::new(),
            left_out: 0,
        }
    }

    /// One that is about a file as a whole, e.g. that it cannot be read.
    pub fn of_file(name: &str, message: impl Into<String>) -> Self {
        let mut diagnostics = Self::new(Arc::new(Source::new(name, "")));
        diagnostics.push(Diagnostic::new(Span::default(), message));
        diagnostics
    }

    /// Adds one. A second one about the same place and in the same words is dropped.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.contains(&diagnostic) {
            return;
        }
        if self.list.len() < MAX_KEPT {
            self.list.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// Is nothing wrong?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Those that were kept, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The file they are about.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where a diagnostic is.
    pub fn place(&self, diagnostic: &Diagnostic) -> Place {
        self.source.place(diagnostic.span)
    }

    /// `Ok(value)` if nothing is wrong.
    pub(crate) fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|diagnostic| diagnostic.span);
        Err(self)
    }

    /// Text for people: each one with the line it is about and a caret.
    pub fn render(&self, colors: Colors) -> String {
        render::render(self, colors)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colors::None))
    }
}

impl std::error::Error for Diagnostics {}
