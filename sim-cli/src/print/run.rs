//! The report of a run.

use sim_core::{Arch, Event, Outcome, Profile};
use sim_scenario::scenario::{Expect, Op};
use sim_scenario::{Again, RunReport, Scenario, Schedules, StepReport, StepResult};

use super::{describe, events, layout};
use crate::output::{Output, Style};
use crate::peaks::Peak;

/// Columns of a step before its outcome.
const OUTCOME_COLUMN: usize = 74;

/// The first lines: what runs, and where.
pub(crate) fn heading(scenario: &Scenario, schedules: Option<Schedules>, output: &mut Output) {
    let title = output.paint(Style::Strong, &scenario.title);
    let machine = machine(scenario.setup.profile, scenario.setup.arch);
    let machine = match schedules {
        Some(Schedules { seed, .. }) => format!("{machine}, seed {seed}"),
        None => machine,
    };
    let machine = output.paint(Style::Dim, machine);
    output.line(format!("{title}  {machine}"));
}

fn machine(kernel: Profile, arch: Arch) -> String {
    format!("Linux {kernel}, {}", arch.name())
}

/// A step: who, what, and what came of it; then what happened, then what is not as expected.
pub(crate) fn step(
    report: &StepReport<'_>,
    scenario: &Scenario,
    happened: &[Event],
    output: &mut Output,
) {
    let step = report.step;
    let what = format!(
        "{:>4}  {:<8} {:<10} {}",
        step.index,
        step.process,
        step.op.name(),
        describe::arguments(&step.op, scenario)
    );
    let outcome = outcome(report, output);
    output.line(format!("{what:<OUTCOME_COLUMN$}  {outcome}"));
    for event in happened.iter().filter_map(events::describe) {
        let line = format!("{:>27}{event}", "");
        let line = output.paint(Style::Dim, line);
        output.line(line);
    }
    failures(report, scenario, output);
}

/// What is not as expected about a step, each with its place.
pub(crate) fn failures(report: &StepReport<'_>, scenario: &Scenario, output: &mut Output) {
    for failure in &report.failures {
        let place = failure.place(scenario);
        let mark = output.paint(Style::Bad, "FAILED");
        output.line(format!(
            "      {mark} {}:{}:{}: {}",
            scenario.source.name(),
            place.line,
            place.column,
            failure.cause
        ));
    }
}

fn outcome(report: &StepReport<'_>, output: &Output) -> String {
    let text = match report.result {
        StepResult::Call(outcome) => call_outcome(&report.step.op, outcome),
        StepResult::Checked if report.is_ok() => "holds".to_owned(),
        StepResult::Checked => "does not hold".to_owned(),
        StepResult::NotRun => "not run".to_owned(),
    };
    let style = if !report.is_ok() {
        Style::Bad
    } else if is_plain(&report.step.expect.value) {
        Style::Good
    } else {
        Style::Note
    };
    let painted = output.paint(style, text);
    match report.step.expect.value {
        Expect::Errno(_)
        | Expect::Signal(_)
        | Expect::UffdWait
        | Expect::Livelock
        | Expect::OneOf(_)
            if report.is_ok() =>
        {
            format!("{painted} {}", output.paint(Style::Dim, "as expected"))
        }
        _ => painted,
    }
}

fn is_plain(expect: &Expect) -> bool {
    matches!(
        expect,
        Expect::Ok | Expect::Any | Expect::Value(_) | Expect::Address(_)
    )
}

/// The outcome of a call in a word.
pub(crate) fn call_outcome(op: &Op, outcome: Outcome) -> String {
    match (op, outcome) {
        (Op::Mmap(_) | Op::Mremap(_) | Op::Brk(_), Outcome::Value(_)) => outcome.to_string(),
        (Op::Access { .. }, Outcome::Value(value)) if value != 0 => format!("{value:#04x}"),
        (_, Outcome::Value(0)) => "ok".to_owned(),
        _ => outcome.to_string(),
    }
}

/// A scenario that could not be run to its end.
pub(crate) fn not_possible(why: &str, output: &mut Output) {
    let mark = output.paint(Style::Note, "NOT POSSIBLE");
    output.line(format!("      {mark} {why}"));
}

/// The final layout of each process.
pub(crate) fn processes(report: &RunReport<'_>, output: &mut Output) {
    for process in &report.processes {
        output.line("");
        let name = output.paint(Style::Strong, process.name);
        output.line(name);
        layout::print(&process.snapshot, output);
    }
}

/// How a scenario with threads came out under the other schedules.
pub(crate) fn again(
    again: &Again<'_>,
    schedules: Schedules,
    scenario: &Scenario,
    output: &mut Output,
) {
    let Schedules { seed, count } = schedules;
    output.line("");
    let (Some(report), Some(&number)) = (&again.first, again.failed.first()) else {
        let text = format!(
            "{}: the same",
            self::count(count as usize, "other schedule")
        );
        let text = output.paint(Style::Good, text);
        output.line(text);
        return;
    };
    let failed = again.failed.len();
    let text = format!("{failed} of {count} other schedules from seed {seed}: not as expected");
    let text = output.paint(Style::Bad, text);
    output.line(text);
    output.line(format!(
        "  the first is schedule {number}, {}:",
        schedules.nth(number).name()
    ));
    for step in report.failed() {
        failures(step, scenario, output);
    }
}

/// The most VMAs that processes had.
pub(crate) fn peaks(peaks: &[Peak], limit: usize, output: &mut Output) {
    if peaks.is_empty() {
        return;
    }
    output.line("");
    let line = output.paint(Style::Strong, "most VMAs at a time");
    output.line(line);
    for peak in peaks {
        let Peak {
            process,
            vmas,
            step,
        } = peak;
        let share = vmas * 100 / limit.max(1);
        output.line(format!(
            "  {process:<8} {vmas} after step {step}: {share} % of max_map_count, {limit}"
        ));
    }
}

/// One file's part of a summary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    scenarios: usize,
    failed_scenarios: usize,
    steps: usize,
    failures: usize,
}

impl Tally {
    /// Counts a run.
    pub(crate) fn add(&mut self, report: &RunReport<'_>) {
        self.scenarios += 1;
        self.failed_scenarios += usize::from(!report.is_ok());
        self.steps += report.steps.len();
        self.failures += report
            .steps
            .iter()
            .map(|step| step.failures.len())
            .sum::<usize>();
    }

    /// Counts what failed in a run of the same scenario under another schedule.
    pub(crate) fn add_again(&mut self, report: &RunReport<'_>, first_was_good: bool) {
        self.failed_scenarios += usize::from(first_was_good && !report.is_ok());
        self.failures += report
            .failed()
            .map(|step| step.failures.len())
            .sum::<usize>();
    }

    /// Has nothing failed?
    pub(crate) const fn is_good(self) -> bool {
        self.failures == 0
    }

    /// The last line.
    pub(crate) fn print(self, output: &mut Output) {
        let done = format!(
            "{} in {}",
            count(self.steps, "step"),
            count(self.scenarios, "scenario")
        );
        let verdict = if self.failures == 0 {
            output.paint(Style::Good, "all expectations hold")
        } else {
            let text = format!(
                "{} in {}",
                count(self.failures, "failed expectation"),
                count(self.failed_scenarios, "scenario")
            );
            output.paint(Style::Bad, text)
        };
        output.line(format!("{done}: {verdict}"));
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
