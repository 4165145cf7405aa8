//! Two runs side by side.

use serde::Serialize;
use sim_core::{Smaps, Snapshot};
use sim_oracle::compare::{listing, side_by_side};
use sim_scenario::{ProcessDocument, ResultDocument, Scenario};

use super::{events, explain, run};
use crate::commands::diff::{Comparing, Found};
use crate::output::{Output, Style};
use crate::walk::{State, Told};

/// What differs first, with the states around it.
pub(crate) fn report(comparing: &Comparing<'_>, output: &mut Output) {
    let [left, right] = &comparing.names;
    let line = output.paint(Style::Strong, format!("{left} | {right}"));
    output.line(line);
    let same = run::count(comparing.same_steps, "step");
    let Some(found) = &comparing.found else {
        let verdict = output.paint(Style::Good, "no difference");
        output.line(format!("{same}: {verdict}"));
        return;
    };
    output.line(format!("{same} without a difference, then:"));
    for (told, (name, scenario)) in found
        .steps
        .iter()
        .zip(comparing.names.iter().zip(comparing.sides))
    {
        output.line("");
        side(told.as_ref(), name, scenario, output);
    }
    output.line("");
    for difference in &found.differences {
        let difference = output.paint(Style::Bad, difference);
        output.line(difference);
    }
    states(found, &comparing.names, output);
}

/// The step on one side, and what happened in it.
fn side(told: Option<&Told<'_>>, name: &str, scenario: &Scenario, output: &mut Output) {
    let name = output.paint(Style::Strong, name);
    output.line(name);
    match told {
        Some(told) => {
            let happened: Vec<_> = told.all_events().cloned().collect();
            run::step(&told.finished.report, scenario, &happened, output);
        }
        None => output.line("   the run has come to its end"),
    }
}

fn states(found: &Found<'_>, names: &[String; 2], output: &mut Output) {
    let [left_name, right_name] = names;
    let [left, right] = &found.after;
    for process in processes(left, right) {
        output.line("");
        let heading = output.paint(Style::Strong, format!("{process}, before"));
        output.line(heading);
        let before = state(&found.before, process);
        if before.vmas.is_empty() {
            output.line("  nothing is mapped");
        }
        for line in listing(&before).lines() {
            output.line(format!("  {line}"));
        }
        let heading = output.paint(Style::Strong, format!("{process}, after"));
        output.line(heading);
        let (left, right) = (state(left, process), state(right, process));
        let text = side_by_side((left_name, right_name), &left, &right);
        for line in text.lines() {
            output.line(format!("  {line}").trim_end());
        }
    }
}

/// Processes whose states differ; all of them if none does.
fn processes<'s>(left: &[State<'s>], right: &[State<'s>]) -> Vec<&'s str> {
    let mut names: Vec<_> = left.iter().chain(right).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let differs = |name: &&str| state(left, name) != state(right, name);
    if names.iter().any(differs) {
        names.retain(differs);
    }
    names
}

fn state(states: &[State<'_>], process: &str) -> Snapshot {
    let found = states.iter().find(|(name, _)| *name == process);
    found.map_or_else(Snapshot::default, |(_, snapshot)| snapshot.clone())
}

/// What `vmsim diff --json` prints.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    same: bool,
    /// Steps before the one that differs.
    same_steps: usize,
    left: Side<'a>,
    right: Side<'a>,
    differences: &'a [String],
    before: Vec<ProcessDocument>,
    counters: Vec<Counter<'a>>,
}

#[derive(Serialize)]
struct Side<'a> {
    name: &'a str,
    file: &'a str,
    kernel: &'static str,
    step: Option<Step>,
    after: Vec<ProcessDocument>,
}

#[derive(Serialize)]
struct Step {
    index: usize,
    process: String,
    request: String,
    result: ResultDocument,
    events: Vec<String>,
}

/// A counter of smaps, summed over a process, that differs afterwards; in kB.
#[derive(Serialize)]
struct Counter<'a> {
    process: &'a str,
    name: &'static str,
    before: u64,
    left: u64,
    right: u64,
}

impl<'a> Document<'a> {
    /// Of a comparison.
    pub(crate) fn new(comparing: &'a Comparing<'_>) -> Self {
        let found = comparing.found.as_ref();
        let mut sides = (0..2).map(|n| Side::new(n, comparing));
        let (left, right) = (sides.next(), sides.next());
        Self {
            same: found.is_none(),
            same_steps: comparing.same_steps,
            left: left.expect("two sides"),
            right: right.expect("two sides"),
            differences: found.map_or(&[], |found| &found.differences),
            before: found.map_or_else(Vec::new, |found| documents(&found.before)),
            counters: found.map_or_else(Vec::new, counters),
        }
    }
}

impl<'a> Side<'a> {
    fn new(n: usize, comparing: &'a Comparing<'_>) -> Self {
        let scenario = comparing.sides[n];
        let found = comparing.found.as_ref();
        Self {
            name: &comparing.names[n],
            file: scenario.source.name(),
            kernel: scenario.setup.profile.name(),
            step: found
                .and_then(|found| found.steps[n].as_ref())
                .map(|told| Step::new(told, scenario)),
            after: found.map_or_else(Vec::new, |found| documents(&found.after[n])),
        }
    }
}

impl Step {
    fn new(told: &Told<'_>, scenario: &Scenario) -> Self {
        let report = &told.finished.report;
        Self {
            index: report.step.index,
            process: report.step.process.clone(),
            request: explain::request_of(report, scenario),
            result: ResultDocument::new(report),
            events: told.all_events().filter_map(events::describe).collect(),
        }
    }
}

fn documents(states: &[State<'_>]) -> Vec<ProcessDocument> {
    states
        .iter()
        .map(|(name, snapshot)| ProcessDocument::of(name, snapshot))
        .collect()
}

fn counters<'a>(found: &'a Found<'_>) -> Vec<Counter<'a>> {
    let [left, right] = &found.after;
    let mut counters = Vec::new();
    for process in processes(left, right) {
        let of = |states| totals(&state(states, process));
        let (before, left, right) = (of(&found.before), of(left), of(right));
        for (n, (name, value)) in left.iter().enumerate() {
            if *value != right[n].1 {
                counters.push(Counter {
                    process,
                    name,
                    before: before[n].1,
                    left: *value,
                    right: right[n].1,
                });
            }
        }
    }
    counters
}

/// Every counter, summed over the VMAs.
fn totals(snapshot: &Snapshot) -> Vec<(&'static str, u64)> {
    let mut totals: Vec<_> = Smaps::default().counters().collect();
    for vma in &snapshot.vmas {
        for (total, (_, value)) in totals.iter_mut().zip(vma.smaps.counters()) {
            total.1 += value;
        }
    }
    totals
}
