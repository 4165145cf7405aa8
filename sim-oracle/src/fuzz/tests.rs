//! The driver, on the live kernel against itself.

use sim_core::{BackendError, Profile, Setup};

use super::{Live, Options, fuzz};
use crate::generate::Mode;

#[test]
fn the_kernel_agrees_with_itself() {
    if let Err(why) = crate::live::availability() {
        println!("SKIPPED: {why}");
        return;
    }
    if let Some(why) = crate::live::not_compared().first() {
        println!("SKIPPED: {why}");
        return;
    }
    for &(name, mode) in Mode::NAMES {
        let mut options = Options::new(1, mode, Setup::new(Profile::V6_18Stable));
        options.calls = 300;
        let report = fuzz(
            &options,
            &|| (Box::<Live>::default(), Box::<Live>::default()),
            &|_| {},
        );
        match report {
            Ok(report) => {
                println!(
                    "{name}: {:?} {:.0}/s",
                    report.progress,
                    report.progress.rate()
                );
                if let Some(found) = report.found {
                    panic!(
                        "{name}:\n{}\n{}",
                        found.scenario,
                        found.divergence.render(("a", "b"))
                    );
                }
            }
            Err(BackendError::NotSupported(why)) => println!("SKIPPED {name}: {why}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
