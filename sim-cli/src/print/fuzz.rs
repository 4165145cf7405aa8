//! The report of a fuzzing run.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;
use sim_oracle::Divergence;
use sim_oracle::fuzz::{Found, Options, Progress, Report};
use std::collections::BTreeMap;

use crate::output::{Output, Style};

/// What the simulator is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Other {
    /// The running kernel.
    Kernel,
    /// The reference model.
    Model,
}

impl Other {
    const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Model => "model",
        }
    }
}

/// The seed and all else that it takes to repeat this.
pub(crate) fn heading(options: &Options, other: Other, output: &mut Output) {
    let against = match other {
        Other::Kernel => "the running kernel",
        Other::Model => "the reference model",
    };
    let seed = output.paint(Style::Strong, format!("seed {}", options.seed));
    output.line(format!(
        "{seed}  mode {}, {} calls, kernel {}, against {against}",
        options.mode.name(),
        options.calls,
        options.setup.profile
    ));
}

/// What came of it.
pub(crate) fn report(options: &Options, other: Other, report: &Report, output: &mut Output) {
    for (what, count) in &report.not_modelled {
        let what = format!("not modelled: {what}: {count} runs ended there");
        let what = output.paint(Style::Note, what);
        output.line(what);
    }
    for (why, count) in &report.not_possible {
        let what = format!("{count} runs left out: {why}");
        let what = output.paint(Style::Note, what);
        output.line(what);
    }
    let Progress {
        runs,
        calls,
        skipped,
        ..
    } = report.progress;
    let rate = report.progress.rate().round();
    output.line(format!(
        "{calls} calls in {runs} runs, {skipped} left out, {rate} calls/s"
    ));
    for text in not_repeated(other, report) {
        let what = format!("not every time when run again: {text}");
        let what = output.paint(Style::Note, what);
        output.line(what);
    }
    match &report.found {
        None => {
            let text = output.paint(Style::Good, "no difference");
            output.line(text);
        }
        Some(found) => difference(options, other, found, output),
    }
}

/// Differences that did not happen every time, a line each.
fn not_repeated(other: Other, report: &Report) -> Vec<String> {
    let line = |divergence: &Divergence| {
        let text = divergence.render(("simulator", other.name()));
        text.lines().next().unwrap_or_default().to_owned()
    };
    report.not_repeated.iter().map(line).collect()
}

fn difference(options: &Options, other: Other, found: &Found, output: &mut Output) {
    let text = output.paint(Style::Bad, "a difference");
    output.line(format!(
        "{text} in run {} (again: --seed {} --mode {} --first-run {}), {} of {} calls left:",
        found.run,
        options.seed,
        options.mode.name(),
        found.run,
        found.calls.len(),
        found.original.len()
    ));
    for line in found.divergence.render(("simulator", other.name())).lines() {
        output.line(format!("    {line}").trim_end());
    }
    output.line("");
    output.text(&found.scenario);
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    seed: u64,
    mode: &'static str,
    kernel: &'static str,
    runs: u64,
    calls: u64,
    skipped: u64,
    not_modelled: &'a BTreeMap<String, u64>,
    /// What this user cannot compare.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_compared: &'a [&'a str],
    /// Why runs could not be made, and how many.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not_possible: &'a BTreeMap<String, u64>,
    /// Differences that did not happen every time when their calls were run again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_repeated: Vec<String>,
    difference: Option<Difference<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    run: u64,
    calls: usize,
    text: String,
    scenario: &'a str,
}

/// All of it as JSON.
pub(crate) fn document(
    options: &Options,
    other: Other,
    report: &Report,
    not_compared: &[&str],
) -> String {
    super::json(&Document {
        ok: report.found.is_none(),
        seed: options.seed,
        mode: options.mode.name(),
        kernel: options.setup.profile.name(),
        runs: report.progress.runs,
        calls: report.progress.calls,
        skipped: report.progress.skipped,
        not_modelled: &report.not_modelled,
        not_compared,
        not_possible: &report.not_possible,
        not_repeated: not_repeated(other, report),
        difference: report.found.as_ref().map(|found| Difference {
            run: found.run,
            calls: found.calls.len(),
            text: found.divergence.render(("simulator", other.name())),
            scenario: &found.scenario,
        }),
    })
}

/// How far it has come, on standard error while that is a terminal.
pub(crate) struct Meter {
    shown: Option<Mutex<Instant>>,
}

impl Meter {
    /// Shows something if there is a terminal.
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            shown: terminal.then(|| Mutex::new(Instant::now())),
        }
    }

    /// Shows the figures, a few times a second.
    pub(crate) fn show(&self, calls: u64, rate: f64) {
        const PAUSE: Duration = Duration::from_millis(200);
        let Some(Ok(mut shown)) = self.shown.as_ref().map(Mutex::lock) else {
            return;
        };
        if shown.elapsed() >= PAUSE {
            *shown = Instant::now();
            let rate = rate.round();
            let text = format!("\r{calls} calls, {rate} calls/s \x1b[K");
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    /// Removes the figures.
    pub(crate) fn clear(&self) {
        if self.shown.is_some() {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
