//! A history as a scenario with `parallel`.

use std::fmt::Write as _;

use sim_core::{Outcome, Pid};

use super::Finding;
use super::history::{History, Kind};
use crate::render;

/// The text. What a call on a thread comes to depends on the order, so anything is expected of it; what
/// was found is a comment, and the invariants are checked at the end.
pub(super) fn render(history: &History, finding: &Finding) -> String {
    let title = match history.kind {
        Kind::Orders => "Found by fuzzing with threads",
        Kind::Storm => "Found by fuzzing with threads: a storm of calls",
    };
    let steps = outcomes(history);
    let mut text = render::scenario(title, &history.setup, &steps);
    let _ = writeln!(text, "\n# {}", finding.to_string().replace('\n', "\n# "));
    text.push_str("[[step]]\nop = \"parallel\"\nthreads = [\n");
    for thread in history.threads.iter().filter(|thread| !thread.is_empty()) {
        text.push_str("  [\n");
        for (pid, call) in thread {
            let step = render::inline_step(&history.setup, *pid, call);
            let _ = writeln!(text, "    {{ {step}, expect = \"any\" }},");
        }
        text.push_str("  ],\n");
    }
    text.push_str("]\n\n[[step]]\nop = \"check\"\ninvariants = true\n");
    text
}

/// The calls before the threads, with what they come to.
fn outcomes(history: &History) -> Vec<(Pid, sim_core::Call, Option<Outcome>)> {
    let Ok(mut machine) = sim_fork::new_machine(&history.setup) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    for (pid, call) in &history.before {
        let made = super::catching(|| Ok(machine.call(*pid, call)));
        match made {
            Ok(Ok(outcome)) => steps.push((*pid, call.clone(), Some(outcome))),
            Ok(Err(_)) => {}
            Err(_) => {
                steps.push((*pid, call.clone(), None));
                return steps;
            }
        }
    }
    steps
}
