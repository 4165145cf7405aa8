//! `vmsim run`: runs scenarios and reports.

use sim_core::Pid;
use sim_fork::{DumpKind, SimBackend};
use sim_scenario::{Again, Observer, Overrides, RunReport, Scenario, Schedules, StepReport};

use crate::arguments::RunArguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::peaks::Peaks;
use crate::print;
use crate::print::run::Tally;
use crate::scenarios;
use crate::simulator;

/// Runs every scenario, if none is wrong.
pub(crate) fn run(arguments: &RunArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let overrides = Overrides {
        kernel: None,
        arch: arguments.machine.arch,
    };
    let scenarios = scenarios::read_all(&arguments.paths, overrides, output)?;
    let scenarios = match arguments.machine.kernel {
        Some(kernel) => scenarios::on_kernel(scenarios, kernel)?,
        None => scenarios,
    };
    if arguments.json {
        documents(&scenarios, arguments, output)
    } else {
        reports(&scenarios, arguments, output)
    }
}

/// `--json`: the document of one scenario, or an array of several.
fn documents(
    scenarios: &[Scenario],
    arguments: &RunArguments,
    output: &mut Output,
) -> Result<Ending, Trouble> {
    let mut reports = Vec::new();
    for scenario in scenarios {
        let mut simulator = simulator::new(&scenario.setup)?;
        let mut watcher = Watcher {
            scenario,
            check: arguments.check,
            print: None,
            running: None,
            peaks: Peaks::default(),
        };
        let report = go(&mut watcher, &mut *simulator)?;
        let again = again(scenario, arguments)?;
        reports.push(match again {
            Some(again) => again.shown(report, schedules(arguments)),
            None => report,
        });
    }
    let good = reports.iter().all(RunReport::is_ok);
    match reports.as_slice() {
        [report] => output.json(report),
        several => output.json(&several),
    }
    Ok(Ending::good_if(good))
}

/// For people. A scenario that cannot be run here does not keep the others from running.
fn reports(
    scenarios: &[Scenario],
    arguments: &RunArguments,
    output: &mut Output,
) -> Result<Ending, Trouble> {
    let mut session = Session {
        arguments,
        aside: arguments.dump.map(|_| output.stderr()),
        output,
        tally: Tally::default(),
    };
    let mut reasons = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        if index > 0 && !arguments.quiet {
            session.report_to().line("");
        }
        match session.scenario(scenario) {
            Ok(()) => {}
            Err(Trouble::Impossible(why)) => {
                print::run::not_possible(&why, session.report_to());
                reasons.push(why);
            }
            Err(wrong) => return Err(wrong),
        }
    }
    session.finish(&reasons)
}

/// A run of several scenarios. What `--dump` prints has standard output for itself; the report
/// then goes to standard error.
struct Session<'a> {
    arguments: &'a RunArguments,
    output: &'a mut Output,
    aside: Option<Output>,
    tally: Tally,
}

impl Session<'_> {
    fn report_to(&mut self) -> &mut Output {
        self.aside.as_mut().unwrap_or(self.output)
    }

    fn scenario(&mut self, scenario: &Scenario) -> Result<(), Trouble> {
        let mut simulator = simulator::new(&scenario.setup)?;
        let arguments = self.arguments;
        if !arguments.quiet {
            let schedules = scenario.has_threads().then(|| schedules(arguments));
            print::run::heading(scenario, schedules, self.report_to());
        }
        let mut watcher = Watcher {
            scenario,
            check: arguments.check,
            print: Some(Print {
                output: self.report_to(),
                failures_only: arguments.quiet,
            }),
            running: None,
            peaks: Peaks::default(),
        };
        let report = go(&mut watcher, &mut *simulator)?;
        let peaks = watcher.peaks;
        self.tally.add(&report);
        match arguments.dump {
            Some(what) => dump(&report, what.kind(), &*simulator, self.output)?,
            None if !arguments.quiet => print::run::processes(&report, self.output),
            None => {}
        }
        if !arguments.quiet {
            let limit = scenario.setup.limits.max_map_count as usize;
            let shown = peaks.shown(limit, arguments.map_count);
            print::run::peaks(&shown, limit, self.report_to());
        }
        self.again(scenario, &report)
    }

    /// Other orders of the threads, if there are threads.
    fn again(&mut self, scenario: &Scenario, first: &RunReport<'_>) -> Result<(), Trouble> {
        let arguments = self.arguments;
        let Some(again) = again(scenario, arguments)? else {
            return Ok(());
        };
        if !arguments.quiet || again.first.is_some() {
            print::run::again(&again, schedules(arguments), scenario, self.report_to());
        }
        if let Some(report) = &again.first {
            self.tally.add_again(report, first.is_ok());
        }
        Ok(())
    }

    fn finish(mut self, reasons: &[String]) -> Result<Ending, Trouble> {
        let tally = self.tally;
        let quiet = self.arguments.quiet;
        let report_to = self.report_to();
        if !quiet {
            report_to.line("");
        }
        tally.print(report_to);
        if let Some(aside) = &mut self.aside {
            let _ = aside.finish();
        }
        match reasons {
            [first, ..] if tally.is_good() => Err(Trouble::Impossible(format!(
                "{} could not be run; the first reason: {first}",
                print::run::count(reasons.len(), "scenario")
            ))),
            _ => Ok(Ending::good_if(tally.is_good())),
        }
    }
}

const fn schedules(arguments: &RunArguments) -> Schedules {
    Schedules {
        seed: arguments.seed,
        count: arguments.schedules,
    }
}

/// Runs a scenario with threads under the other schedules.
fn again<'s>(
    scenario: &'s Scenario,
    arguments: &RunArguments,
) -> Result<Option<Again<'s>>, Trouble> {
    if !scenario.has_threads() {
        return Ok(None);
    }
    sim_scenario::explore(scenario, schedules(arguments), arguments.check)
        .map(Some)
        .map_err(|error| Trouble::Impossible(error.to_string()))
}

fn go<'s>(
    watcher: &mut Watcher<'s, '_>,
    simulator: &mut (dyn SimBackend + 'static),
) -> Result<RunReport<'s>, Trouble> {
    sim_scenario::run(watcher.scenario, simulator, watcher)
        .map_err(|error| Trouble::Impossible(error.to_string()))
}

fn dump(
    report: &RunReport<'_>,
    what: DumpKind,
    machine: &dyn SimBackend,
    output: &mut Output,
) -> Result<(), Trouble> {
    for process in &report.processes {
        let text = machine
            .dump(process.pid, process.name, what)
            .map_err(|error| simulator::trouble(&error))?;
        output.line(format!("# {}", process.name));
        output.text(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            output.text("\n");
        }
    }
    Ok(())
}

/// Prints steps as they end.
struct Watcher<'s, 'o> {
    scenario: &'s Scenario,
    check: bool,
    print: Option<Print<'o>>,
    /// The process whose step is running.
    running: Option<Pid>,
    peaks: Peaks,
}

struct Print<'o> {
    output: &'o mut Output,
    failures_only: bool,
}

impl Watcher<'_, '_> {
    fn shows_all(&self) -> bool {
        self.print.as_ref().is_some_and(|to| !to.failures_only)
    }
}

impl Observer<dyn SimBackend> for Watcher<'_, '_> {
    fn before_step(
        &mut self,
        _step: &sim_scenario::scenario::Step,
        pid: Pid,
        simulator: &mut (dyn SimBackend + 'static),
    ) {
        if self.shows_all() {
            let _ = simulator.record_events(pid, true);
            self.running = Some(pid);
        }
    }

    fn after_step(&mut self, report: &StepReport<'_>, simulator: &mut (dyn SimBackend + 'static)) {
        let Some(print) = &mut self.print else {
            return;
        };
        if !print.failures_only {
            let running = self.running.take();
            if let Some(pid) = running {
                self.peaks.note(report, pid, simulator);
            }
            let events = running.and_then(|pid| simulator.take_events(pid).ok());
            let events = events.unwrap_or_default();
            print::run::step(report, self.scenario, &events, print.output);
        } else if !report.is_ok() {
            print::run::failures(report, self.scenario, print.output);
        }
    }

    fn checks_every_step(&self) -> bool {
        self.check
    }
}
