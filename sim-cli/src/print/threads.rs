//! The report of a fuzzing run with threads.

use std::path::Path;

use serde::Serialize;
use sim_oracle::threads::{Found, Options, Progress, Report};

use crate::output::{Output, Style};

/// The seed and all else that it takes to make the same calls.
pub(crate) fn heading(options: &Options, output: &mut Output) {
    let seed = output.paint(Style::Strong, format!("seed {}", options.seed));
    output.line(format!(
        "{seed}  mode {}, {} threads, {} calls, kernel {}, against sequential orders",
        options.mode.name(),
        options.threads,
        options.calls,
        options.setup.profile
    ));
}

/// What came of it.
pub(crate) fn report(options: &Options, report: &Report, file: Option<&Path>, output: &mut Output) {
    let Progress {
        orders,
        storms,
        calls,
        undecided,
        ..
    } = report.progress;
    let rate = report.progress.rate().round();
    output.line(format!(
        "{calls} calls in {orders} histories and {storms} storms, {rate} calls/s"
    ));
    if undecided > 0 {
        let text = format!("{undecided} histories have too many orders to try them all");
        let text = output.paint(Style::Note, text);
        output.line(text);
    }
    match &report.found {
        None => {
            let text = output.paint(Style::Good, "an order explains each, all invariants hold");
            output.line(text);
        }
        Some(found) => finding(options, found, file, output),
    }
}

fn finding(options: &Options, found: &Found, file: Option<&Path>, output: &mut Output) {
    let text = output.paint(Style::Bad, "a finding");
    output.line(format!(
        "{text} in run {} (the same calls: --seed {} --mode {} --threads {} --first-run {})",
        found.run,
        options.seed,
        options.mode.name(),
        options.threads,
        found.run
    ));
    for line in found.finding.to_string().lines() {
        output.line(format!("    {line}").trim_end());
    }
    let (times, tries) = found.again;
    output.line(format!(
        "{} of {} calls left; they led to it {times} times in {tries}",
        found.history.calls(),
        found.original
    ));
    if let Some(file) = file {
        output.line(format!("written to {}:", file.display()));
    }
    output.line("");
    output.text(&found.scenario);
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    seed: u64,
    mode: &'static str,
    threads: usize,
    kernel: &'static str,
    histories: u64,
    storms: u64,
    undecided: u64,
    calls: u64,
    finding: Option<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    run: u64,
    calls: usize,
    text: String,
    scenario: &'a str,
    file: Option<String>,
}

/// All of it as JSON.
pub(crate) fn document(options: &Options, report: &Report, file: Option<&Path>) -> String {
    super::json(&Document {
        ok: report.found.is_none(),
        seed: options.seed,
        mode: options.mode.name(),
        threads: options.threads,
        kernel: options.setup.profile.name(),
        histories: report.progress.orders,
        storms: report.progress.storms,
        undecided: report.progress.undecided,
        calls: report.progress.calls,
        finding: report.found.as_ref().map(|found| Finding {
            run: found.run,
            calls: found.history.calls(),
            text: found.finding.to_string(),
            scenario: &found.scenario,
            file: file.map(|file| file.display().to_string()),
        }),
    })
}
