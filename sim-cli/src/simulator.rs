//! The simulator as the commands see it.

use sim_core::{Backend, Pid, Setup};
use sim_scenario::replay::ReplayTarget;

use crate::arguments::Dump;
use crate::ending::Trouble;

/// A simulated machine.
pub(crate) trait Simulator: Backend + ReplayTarget {
    /// From now on events of the process are noted.
    fn start_events(&mut self, pid: Pid);

    /// What happened since, in words.
    fn take_events(&mut self) -> Vec<String>;

    /// The final state of a process in one of the forms of `--dump`.
    fn dump(&mut self, pid: Pid, name: &str, what: Dump) -> Result<String, Trouble>;
}

/// A machine for a setup.
pub(crate) fn new(setup: &Setup) -> Result<Box<dyn Simulator>, Trouble> {
    let _ = setup;
    Err(Trouble::Impossible(
        "the simulator is not there yet".to_owned(),
    ))
}
