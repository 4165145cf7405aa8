//! Reads a scenario's text: TOML with places, then typed values, then what only the whole shows.
//!
//! Reading goes on after an error, so that all of them are reported at once.

mod check;
mod context;
mod expect;
mod file_range;
mod maps_line;
mod op;
mod pages;
mod range;
mod scalar;
mod setup;
mod size;
mod step;
mod vma_line;
pub(crate) mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::de::DeTable;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::language::TOP_LEVEL;
use crate::scenario::{Overrides, Scenario};
use crate::source::{Source, Span};
use crate::validate;
use context::{Context, Fields};
use step::Block;

/// Reads a scenario.
pub(crate) fn scenario(
    name: &str,
    text: &str,
    overrides: Overrides,
) -> Result<Scenario, Diagnostics> {
    let source = Arc::new(Source::new(name, text));
    let mut cx = Context {
        diagnostics: Diagnostics::new(Arc::clone(&source)),
        files: Vec::new(),
        half_known: BTreeSet::new(),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        cx.diagnostics.push(syntax_error(&error));
    }
    if !cx.diagnostics.is_empty() {
        // What follows a broken place would be reported wrongly.
        return cx.diagnostics.into_result(()).map(|()| unreachable!());
    }
    let top = Fields::new(document.get_ref(), Span::default());
    let scenario = document_of(&mut cx, &top, source, overrides);
    validate::validate(&scenario, &cx.half_known, &mut cx.diagnostics);
    cx.diagnostics.into_result(scenario)
}

fn document_of(
    cx: &mut Context,
    top: &Fields<'_>,
    source: Arc<Source>,
    overrides: Overrides,
) -> Scenario {
    top.refuse_unknown(cx, "a scenario", TOP_LEVEL);
    let (setup, switches) = setup::setup(cx, top, overrides);
    let title = top.get("title").and_then(|value| scalar::text(cx, value));
    let about = top.get("about").and_then(|value| scalar::text(cx, value));
    let steps = match top.get("step") {
        Some(value) => step::steps(cx, value, Block::OUTERMOST),
        None => Vec::new(),
    };
    Scenario {
        title: title.map_or_else(|| file_stem(source.name()), str::to_owned),
        about: about.map(str::to_owned),
        setup,
        switches,
        steps,
        source,
    }
}

fn syntax_error(error: &toml::de::Error) -> Diagnostic {
    let span = error.span().map_or_else(Span::default, Span::from);
    let message = error.message().trim();
    let message = if message.is_empty() {
        "this is not TOML"
    } else {
        message
    };
    Diagnostic::new(span, message.replace('\n', ", "))
}

fn file_stem(path: &str) -> String {
    std::path::Path::new(path).file_stem().map_or_else(
        || path.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}
