//! The simulator as the commands see it.

use sim_core::{BackendError, Setup};
use sim_fork::SimBackend;

use crate::ending::Trouble;

/// A machine for a setup.
pub(crate) fn new(setup: &Setup) -> Result<Box<dyn SimBackend>, Trouble> {
    sim_fork::new_machine(setup).map_err(|error| trouble(&error))
}

/// The simulator could not go on.
pub(crate) fn trouble(error: &BackendError) -> Trouble {
    Trouble::Impossible(error.to_string())
}
