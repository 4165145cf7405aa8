//! What `vmsim explain` says about a step, for people.

mod diagram;
mod json;
mod reason;

use std::fmt::Write as _;

use sim_core::{Event, Features, MergeReport, MergeScene, Profile, Refusal, locks_of};
use sim_scenario::{Scenario, StepReport, StepResult};

pub(crate) use json::{Document, StepEntry};
use reason::Side;

use super::{describe, events, run};
use crate::commands::explain::{Explained, Otherwise};
use crate::output::{Output, Style};

/// Columns before what is said about a step.
const INDENT: usize = 8;
/// Columns of a list.
const LIST_WIDTH: usize = 84;

/// What runs, and what it is compared with.
pub(crate) fn heading(scenario: &Scenario, against: Option<&Scenario>, output: &mut Output) {
    run::heading(scenario, None, output);
    if let Some(other) = against {
        let kernel = other.setup.profile;
        let line = format!("against Linux {kernel}");
        let line = output.paint(Style::Dim, line);
        output.line(line);
    }
}

/// A step and all that is to be said about it.
pub(crate) fn step(explained: &Explained<'_>, scenario: &Scenario, output: &mut Output) {
    let report = &explained.told.finished.report;
    output.line("");
    run::step(report, scenario, &[], output);
    locks(explained, &scenario.setup.features, output);
    taken(explained, output);
    for (process, event) in explained.events() {
        let aside = (process != report.step.process).then_some(process);
        self::event(event, aside, scenario, output);
    }
    if let Some(otherwise) = &explained.otherwise {
        self::otherwise(otherwise, output);
    }
}

fn said(label: &str, text: &str, output: &mut Output) {
    let label = output.paint(Style::Dim, format!("{label:<8}"));
    output.line(format!("{:INDENT$}{label}{text}", "").trim_end());
}

fn locks(explained: &Explained<'_>, features: &Features, output: &mut Output) {
    let Some((_, call)) = &explained.told.finished.call else {
        return;
    };
    let locks: Vec<_> = locks_of(call, features)
        .iter()
        .map(ToString::to_string)
        .collect();
    for (n, line) in wrapped(&locks).iter().enumerate() {
        said(if n == 0 { "locks" } else { "" }, line, output);
    }
}

/// The locks that the step really took, in their order.
pub(super) fn locks_taken(explained: &Explained<'_>) -> Vec<String> {
    let mut taken: Vec<String> = explained
        .events()
        .filter_map(|(_, event)| events::describe_lock(event))
        .collect();
    taken.dedup();
    taken
}

fn taken(explained: &Explained<'_>, output: &mut Output) {
    for (n, line) in wrapped(&locks_taken(explained)).iter().enumerate() {
        said(if n == 0 { "taken" } else { "" }, line, output);
    }
}

/// A list in lines that fit a terminal.
fn wrapped(items: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let comma = if n + 1 < items.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if line.len() + item.len() < LIST_WIDTH => {
                let _ = write!(line, " {item}{comma}");
            }
            _ => lines.push(format!("{item}{comma}")),
        }
    }
    lines
}

fn event(event: &Event, process: Option<&str>, scenario: &Scenario, output: &mut Output) {
    match event {
        Event::Merge(report) => merge(report, process, scenario, output),
        Event::Locked { .. } | Event::Downgraded => {}
        Event::Split { .. }
        | Event::Refused { .. }
        | Event::Insert { .. }
        | Event::Remove { .. }
        | Event::Shrink { .. }
        | Event::AnonVma { .. }
        | Event::Collapse { .. } => {
            let text = events::describe(event).unwrap_or_default();
            said("then", &in_process(text, process), output);
        }
    }
}

fn in_process(text: String, process: Option<&str>) -> String {
    match process {
        Some(process) => format!("{text} (in {process})"),
        None => text,
    }
}

fn merge(report: &MergeReport, process: Option<&str>, scenario: &Scenario, output: &mut Output) {
    let Some(scene) = &report.scene else {
        let text = events::describe_merge(report);
        said("merge", &in_process(text, process), output);
        return;
    };
    let request = in_process(request(report, scene, scenario), process);
    said("merge", &request, output);
    for (side, result) in sides(report) {
        let verdict = verdict(side, result, scene, scenario);
        said(side.name(), &verdict, output);
    }
    said("plan", &plan(report), output);
    if let Some(diagram) = diagram::draw(report) {
        said("before", &diagram.before, output);
        said("after", &diagram.after, output);
    }
}

/// Both sides with what was decided about them.
fn sides(report: &MergeReport) -> [(Side, Result<(), Refusal>); 2] {
    let decision = &report.decision;
    [(Side::Below, decision.left), (Side::Above, decision.right)]
}

/// The range and what it is to be.
fn request(report: &MergeReport, scene: &MergeScene, scenario: &Scenario) -> String {
    let wanted = &scene.wanted;
    let perms: String = wanted.flags.perms().map(char::from).iter().collect();
    let object = reason::object(wanted, scenario);
    let range = events::addresses(report.range);
    match &scene.middle {
        None => format!("{range} is new: {perms} {object}"),
        Some(middle) => format!(
            "{range} of {} becomes {perms}{}",
            events::addresses(middle.range),
            changes(scene)
        ),
    }
}

/// What changes apart from permissions.
fn changes(scene: &MergeScene) -> String {
    let Some(middle) = &scene.middle else {
        return String::new();
    };
    let wanted = &scene.wanted;
    let shown = sim_core::VmFlags::READ | sim_core::VmFlags::WRITE | sim_core::VmFlags::EXEC;
    let mut text = String::new();
    for (sign, flags) in [
        ('+', wanted.flags - middle.flags - shown),
        ('-', middle.flags - wanted.flags - shown),
    ] {
        for name in flags.mnemonics() {
            let _ = write!(text, " {sign}{name}");
        }
    }
    if wanted.policy != middle.policy {
        text += ", another policy";
    }
    if wanted.anon_name != middle.anon_name {
        text += ", another name";
    }
    if wanted.uffd != middle.uffd {
        text += ", another userfaultfd";
    }
    text
}

fn verdict(
    side: Side,
    result: Result<(), Refusal>,
    scene: &MergeScene,
    scenario: &Scenario,
) -> String {
    let vma = side.of(scene).map(|vma| {
        let perms: String = vma.flags.perms().map(char::from).iter().collect();
        format!("{} {perms}: ", events::addresses(vma.range))
    });
    let vma = vma.unwrap_or_default();
    match result {
        Ok(()) => format!("{vma}fits"),
        Err(why) => match reason::detail(why, side, scene, scenario) {
            Some(detail) => format!("{vma}{why}: {detail}"),
            None => format!("{vma}{why}"),
        },
    }
}

fn plan(report: &MergeReport) -> String {
    let text = match (&report.decision.plan, report.existing) {
        (Some(plan), _) => {
            let name = plan.case.name();
            let mut text = format!("{name}: one VMA {}", events::addresses(plan.becomes));
            let sticky: Vec<_> = plan.sticky.mnemonics().collect();
            if !sticky.is_empty() {
                let _ = write!(text, ", keeps {}", sticky.join(" "));
            }
            if plan.anon_vma_from.is_some() {
                text += ", takes over the anon_vma";
            }
            text
        }
        (None, true) => "no merge: the range is split off, where it is not all of its VMA".into(),
        (None, false) => "no merge: a VMA of its own".into(),
    };
    match report.failed {
        Some(why) => format!("{text}; given up: {why}"),
        None => text,
    }
}

/// What another kernel does in this step.
fn otherwise(other: &Otherwise, output: &mut Output) {
    let kernel = other.kernel;
    if other.is_same() {
        return;
    }
    let line = |text: String, output: &mut Output| {
        let text = output.paint(Style::Note, text);
        said(kernel.name(), &text, output);
    };
    if let Some((here, there)) = &other.result {
        line(format!("outcome: {there} instead of {here}"), output);
    }
    if let Some(plans) = &other.events {
        if plans.is_empty() {
            line("nothing of this happens".to_owned(), output);
        }
        for plan in plans {
            line(plan.clone(), output);
        }
    }
    for difference in &other.layout {
        line(difference.clone(), output);
    }
}

/// The last lines.
pub(crate) fn summary(
    steps: usize,
    differing: Option<(Profile, &[usize])>,
    good: bool,
    output: &mut Output,
) {
    output.line("");
    if let Some((kernel, indices)) = differing {
        let text = match indices {
            [] => format!("Linux {kernel} does the same"),
            [first, ..] => format!(
                "Linux {kernel} differs in {}, first in step {first}",
                run::count(indices.len(), "step")
            ),
        };
        output.line(text);
    }
    let verdict = if good {
        output.paint(Style::Good, "all expectations hold")
    } else {
        output.paint(Style::Bad, "an expectation failed")
    };
    output.line(format!("{}: {verdict}", run::count(steps, "step")));
}

/// What a step came to, in a word or two.
pub(crate) fn result(report: &StepReport<'_>) -> String {
    match report.result {
        StepResult::Call(outcome) => run::call_outcome(&report.step.op, outcome),
        StepResult::Checked if report.is_ok() => "holds".to_owned(),
        StepResult::Checked => "does not hold".to_owned(),
        StepResult::NotRun => "not run".to_owned(),
    }
}

/// The step's operation and arguments.
pub(crate) fn request_of(report: &StepReport<'_>, scenario: &Scenario) -> String {
    let op = &report.step.op;
    let arguments = describe::arguments(op, scenario);
    format!("{} {arguments}", op.name()).trim_end().to_owned()
}
