//! Results as text for people.

pub(crate) mod baseline;
pub(crate) mod bench;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fuzz;
pub(crate) mod growth;
pub(crate) mod layout;
pub(crate) mod replay;
pub(crate) mod replay_json;
pub(crate) mod run;
pub(crate) mod threads;
pub(crate) mod vectors;
pub(crate) mod verify;

use crate::output::{Output, Style};

/// A value as JSON for people to read.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("documents have string keys and finite numbers")
}

/// What this user cannot compare with the running kernel.
pub(crate) fn not_compared(sentences: &[&str], output: &mut Output) {
    for sentence in sentences {
        let note = output.paint(Style::Note, format!("not compared: {sentence}"));
        output.line(note);
    }
}
