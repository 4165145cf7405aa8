//! `vmsim fuzz`: random calls on two back ends, until they differ.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sim_oracle::fuzz::{Contestant, Options, Simulator, against_model, fuzz};
use sim_oracle::{Comparison, Level, threads};

use crate::arguments::{FuzzArguments, Kernel};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print::fuzz::{Meter, Other};
use crate::{live, print, simulator};

/// Fuzzes and reports.
pub(crate) fn run(arguments: &FuzzArguments, output: &mut Output) -> Result<Ending, Trouble> {
    if arguments.threads > 1 {
        return on_threads(arguments, output);
    }
    let options = options(arguments)?;
    let not_compared = if arguments.live {
        live::not_compared()
    } else {
        Vec::new()
    };
    let other = if arguments.live {
        Other::Kernel
    } else {
        Other::Model
    };
    if !arguments.json {
        print::fuzz::heading(&options, other, output);
        print::not_compared(&not_compared, output);
    }
    let meter = Meter::new();
    let check = arguments.check;
    let report = if arguments.live {
        fuzz(
            &options,
            &|| (simulator(check), live::contestant()),
            &|progress| {
                meter.show(progress.calls, progress.rate());
            },
        )
    } else {
        fuzz(&options, &|| against_model(check), &|progress| {
            meter.show(progress.calls, progress.rate());
        })
    };
    meter.clear();
    let report = report.map_err(|error| simulator::trouble(&error))?;
    if arguments.json {
        output.line(print::fuzz::document(
            &options,
            other,
            &report,
            &not_compared,
        ));
    } else {
        print::fuzz::report(&options, other, &report, output);
    }
    Ok(Ending::good_if(report.found.is_none()))
}

/// Fuzzes with threads and reports.
fn on_threads(arguments: &FuzzArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let options = threads::Options {
        seed: arguments.seed.unwrap_or_else(fresh_seed),
        first_run: arguments.first_run,
        calls: arguments.ops,
        time: arguments.time.map(Duration::from_secs),
        mode: arguments.mode,
        threads: arguments.threads as usize,
        setup: simulator::setup(arguments.kernel)?,
    };
    if !arguments.json {
        print::threads::heading(&options, output);
    }
    let meter = Meter::new();
    let report = threads::fuzz(&options, &|progress| {
        meter.show(progress.calls, progress.rate());
    });
    meter.clear();
    let report = report.map_err(|error| simulator::trouble(&error))?;
    let file = match &report.found {
        Some(found) => Some(written(found, &options, arguments)?),
        None => None,
    };
    if arguments.json {
        output.line(print::threads::document(&options, &report, file.as_deref()));
    } else {
        print::threads::report(&options, &report, file.as_deref(), output);
    }
    Ok(Ending::good_if(report.found.is_none()))
}

/// Writes the scenario of a finding, and gives the file's name.
fn written(
    found: &threads::Found,
    options: &threads::Options,
    arguments: &FuzzArguments,
) -> Result<PathBuf, Trouble> {
    let file = arguments.output.clone();
    let file = file.unwrap_or_else(|| format!("fuzz-{}-{}.toml", options.seed, found.run).into());
    match std::fs::write(&file, &found.scenario) {
        Ok(()) => Ok(file),
        Err(error) => Err(Trouble::Impossible(format!(
            "{} cannot be written: {error}\n{}\n{}",
            file.display(),
            found.finding,
            found.scenario
        ))),
    }
}

fn options(arguments: &FuzzArguments) -> Result<Options, Trouble> {
    if arguments.live {
        live::available()?;
    }
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    // With --live the running kernel's profile, otherwise the newest one.
    let kernel = arguments.kernel.or(arguments.live.then_some(Kernel::Host));
    let mut setup = simulator::setup(kernel)?;
    if arguments.live {
        live::adopt(&mut setup);
    }
    let mut comparison = if arguments.live {
        live::comparison(arguments.level, setup.profile)
    } else {
        // The model knows nothing of pages.
        Comparison::new(arguments.level.min(Level::Flags))
    };
    comparison.ignored_counters.extend(&arguments.ignore);
    Ok(Options {
        first_run: arguments.first_run,
        calls: arguments.ops,
        jobs: arguments.jobs,
        comparison,
        ..Options::new(seed, arguments.mode, setup)
    })
}

/// Any number; it is printed first, and with it everything can be repeated.
fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |time| u64::from(time.subsec_nanos()) ^ time.as_secs())
}

fn simulator(check: bool) -> Box<dyn Contestant> {
    Box::new(Simulator::new(check))
}
