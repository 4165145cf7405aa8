//! The report of a replay.

use sim_core::PageRange;
use sim_scenario::replay::strace::Trace;
use sim_scenario::replay::{Adoption, Difference, Report};

use super::layout;
use super::run::count;
use crate::output::{Output, Style};

/// Prints all of it.
pub(crate) fn report(trace: &Trace, report: &Report, quiet: bool, output: &mut Output) {
    if !quiet {
        images(report, output);
        adoptions(&report.adopted, output);
        skipped(trace, output);
    }
    differences(&report.differences, output);
    if !quiet {
        operations(report, output);
    }
    summary(trace, report, output);
}

fn images(report: &Report, output: &mut Output) {
    for image in &report.images {
        let when = if image.ended {
            "at its end"
        } else {
            "at the end of the log"
        };
        let name = format!("process {}", image.task);
        let name = output.paint(Style::Strong, name);
        output.line(format!("{name} {when}"));
        let adopted = |range| is_adopted(report, range).then_some("adopted");
        layout::print_with(&image.snapshot, &adopted, output);
        output.line("");
    }
}

/// Is all of it in a region that was adopted?
fn is_adopted(report: &Report, range: PageRange) -> bool {
    let adopted = &report.adopted;
    adopted
        .iter()
        .any(|region| region.range.contains_range(range))
}

fn adoptions(adopted: &[Adoption], output: &mut Output) {
    if adopted.is_empty() {
        return;
    }
    section("adopted: made outside the log", output);
    for adoption in adopted {
        output.line(format!(
            "  line {:<6} process {:<8} {:012x}-{:012x}  {}",
            adoption.line,
            adoption.task,
            adoption.range.start().get(),
            adoption.range.end().get(),
            adoption.what
        ));
    }
    output.line("");
}

fn skipped(trace: &Trace, output: &mut Output) {
    if trace.skipped.is_empty() {
        return;
    }
    section(
        "skipped: calls that are none of memory management's",
        output,
    );
    let counts: Vec<_> = trace
        .skipped
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    output.line(format!("  {}", counts.join(", ")));
    output.line("");
}

fn differences(differences: &[Difference], output: &mut Output) {
    if differences.is_empty() {
        return;
    }
    section("differences", output);
    for difference in differences {
        let style = if difference.explanation.is_some() {
            Style::Note
        } else {
            Style::Bad
        };
        let what = format!(
            "line {}: {} in process {}: the log says {}, the simulator {}",
            difference.line, difference.op, difference.task, difference.logged, difference.outcome
        );
        let what = output.paint(style, what);
        output.line(format!("  {what}"));
        if let Some(explanation) = difference.explanation {
            output.line(format!("    {}", explanation.text()));
        }
    }
    output.line("");
}

fn operations(report: &Report, output: &mut Output) {
    section("calls", output);
    for (op, counts) in &report.ops {
        let differ = counts.calls - counts.agreements;
        let differ = match differ {
            0 => String::new(),
            differ => format!(", {differ} differ"),
        };
        output.line(format!("  {op:<12} {:>8}{differ}", counts.calls));
    }
    output.line("");
}

fn summary(trace: &Trace, report: &Report, output: &mut Output) {
    let unexplained = report.unexplained();
    let explained = report.differences.len() - unexplained;
    let counts = format!(
        "{} calls in {} lines: {} agree, {} moved to the log's address, {} adopted",
        report.calls(),
        trace.lines,
        report.agreements(),
        report.moved,
        count(report.adopted.len(), "region")
    );
    output.line(counts);
    if report.orphans > 0 {
        let orphans = count(report.orphans as usize, "call");
        output.line(format!(
            "{orphans} left out: of tasks whose beginning the log lacks"
        ));
    }
    let verdict = match (unexplained, explained) {
        (0, 0) => output.paint(Style::Good, "no differences"),
        (0, explained) => {
            let text = format!("{}, all explained", count(explained, "difference"));
            output.paint(Style::Good, text)
        }
        (unexplained, explained) => {
            let text = format!(
                "{} unexplained, {explained} explained",
                count(unexplained, "difference")
            );
            output.paint(Style::Bad, text)
        }
    };
    output.line(verdict);
    if trace.truncated {
        output.line("the last line of the log is cut off and was left out");
    }
}

fn section(title: &str, output: &mut Output) {
    let title = output.paint(Style::Strong, title);
    output.line(title);
}
