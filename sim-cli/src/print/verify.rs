//! The report of a comparison with the running kernel.

use serde::Serialize;
use sim_scenario::Scenario;

use super::explain::{self, StepEntry};
use super::run::count;
use crate::commands::verify::{Difference, Verdict};
use crate::output::{Output, Style};

/// A scenario's line, and the difference if there is one.
pub(crate) fn scenario(scenario: &Scenario, verdict: &Verdict<'_>, output: &mut Output) {
    let (mark, rest) = match verdict {
        Verdict::Agrees(steps) => (
            output.paint(Style::Good, "agrees"),
            format!("in {}", count(*steps, "step")),
        ),
        Verdict::Differs(_) => (output.paint(Style::Bad, "differs"), String::new()),
        Verdict::NotPossible(why) => (output.paint(Style::Note, "SKIPPED"), why.clone()),
    };
    let name = scenario.source.name();
    output.line(format!("{name}: {mark} {rest}").trim_end());
    if let Verdict::Differs(found) = verdict {
        difference(scenario, found, output);
    }
}

fn difference(scenario: &Scenario, found: &Difference<'_>, output: &mut Output) {
    let Difference {
        place,
        step,
        op,
        process,
        what,
        states,
        plan,
    } = found;
    let name = scenario.source.name();
    output.line(format!(
        "  {name}:{}:{}: step {step}: {op} in {process}: {what}",
        place.line, place.column
    ));
    for line in states.lines() {
        output.line(format!("    {line}").trim_end());
    }
    if let Some(plan) = plan {
        let heading = output.paint(Style::Strong, "what the simulator did in this step");
        output.line(format!("  {heading}"));
        explain::step(plan, scenario, output);
    }
}

/// The last line.
pub(crate) fn summary(verdicts: &[Verdict<'_>], output: &mut Output) {
    let number = |wanted: fn(&Verdict<'_>) -> bool| verdicts.iter().filter(|v| wanted(v)).count();
    let agree = number(|verdict| matches!(verdict, Verdict::Agrees(_)));
    let differ = number(|verdict| matches!(verdict, Verdict::Differs(_)));
    let skipped = number(|verdict| matches!(verdict, Verdict::NotPossible(_)));
    let scenarios = count(verdicts.len(), "scenario");
    let style = if differ == 0 { Style::Good } else { Style::Bad };
    let line = format!("{scenarios}: {agree} agree, {differ} differ, {skipped} skipped");
    let line = output.paint(style, line);
    output.line(line);
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    /// What this user cannot compare.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_compared: &'a [&'a str],
    scenarios: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    title: &'a str,
    kernel: &'static str,
    verdict: &'static str,
    steps: Option<usize>,
    reason: Option<&'a str>,
    difference: Option<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    step: usize,
    line: usize,
    column: usize,
    op: &'static str,
    process: &'a str,
    text: &'a str,
    states: &'a str,
    plan: Option<StepEntry>,
}

/// All of it as JSON.
pub(crate) fn document(
    scenarios: &[Scenario],
    verdicts: &[Verdict<'_>],
    not_compared: &[&str],
) -> String {
    let entries: Vec<_> = scenarios
        .iter()
        .zip(verdicts)
        .map(|(scenario, verdict)| entry(scenario, verdict))
        .collect();
    super::json(&Document {
        ok: entries.iter().all(|entry| entry.difference.is_none()),
        not_compared,
        scenarios: entries,
    })
}

fn entry<'a>(scenario: &'a Scenario, verdict: &'a Verdict<'_>) -> Entry<'a> {
    let (name, steps, reason, difference) = match verdict {
        Verdict::Agrees(steps) => ("agrees", Some(*steps), None, None),
        Verdict::Differs(found) => ("differs", None, None, Some(self::found(scenario, found))),
        Verdict::NotPossible(why) => ("not_possible", None, Some(why.as_str()), None),
    };
    Entry {
        file: scenario.source.name(),
        title: &scenario.title,
        kernel: scenario.setup.profile.name(),
        verdict: name,
        steps,
        reason,
        difference,
    }
}

fn found<'a>(scenario: &Scenario, difference: &'a Difference<'_>) -> Found<'a> {
    let plan = difference.plan.as_ref();
    Found {
        step: difference.step,
        line: difference.place.line,
        column: difference.place.column,
        op: difference.op,
        process: &difference.process,
        text: &difference.what,
        states: &difference.states,
        plan: plan.map(|plan| StepEntry::new(plan, scenario)),
    }
}
