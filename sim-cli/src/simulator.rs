//! The simulator as the commands see it.

use sim_core::{BackendError, Setup};
use sim_fork::SimBackend;

use crate::arguments::Kernel;
use crate::ending::Trouble;
use crate::live;

/// A machine for a setup.
pub(crate) fn new(setup: &Setup) -> Result<Box<dyn SimBackend>, Trouble> {
    sim_fork::new_machine(setup).map_err(|error| trouble(&error))
}

/// The simulator could not go on.
pub(crate) fn trouble(error: &BackendError) -> Trouble {
    Trouble::Impossible(error.to_string())
}

/// The defaults of a kernel, by default the newest one.
pub(crate) fn setup(kernel: Option<Kernel>) -> Result<Setup, Trouble> {
    Ok(match kernel {
        None => Setup::default(),
        Some(Kernel::Profile(profile)) => Setup::new(profile),
        Some(Kernel::Host) => {
            let (profile, features) = live::probe()?;
            Setup {
                features,
                ..Setup::new(profile)
            }
        }
    })
}
