//! `vmsim fuzz`: random calls on two back ends, until they differ.

use std::time::{SystemTime, UNIX_EPOCH};

use sim_oracle::fuzz::{Contestant, Options, Simulator, against_model, fuzz};
use sim_oracle::{Comparison, Level};

use crate::arguments::{FuzzArguments, Kernel};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print::fuzz::{Meter, Other};
use crate::{live, print, simulator};

/// Fuzzes and reports.
pub(crate) fn run(arguments: &FuzzArguments, output: &mut Output) -> Result<Ending, Trouble> {
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
                meter.show(progress);
            },
        )
    } else {
        fuzz(&options, &|| against_model(check), &|progress| {
            meter.show(progress);
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
    Ok(Options {
        first_run: arguments.first_run,
        calls: arguments.ops,
        jobs: arguments.jobs,
        // The model knows nothing of pages.
        comparison: if arguments.live {
            live::comparison(arguments.level)
        } else {
            Comparison::new(arguments.level.min(Level::Flags))
        },
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
