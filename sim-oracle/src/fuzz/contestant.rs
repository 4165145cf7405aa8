//! The two sides of a fuzzing run.

use sim_core::{Access, Backend, BackendError, Call, Outcome, Pid, Setup, Snapshot, SnapshotLevel};
use sim_fork::SimBackend;

/// A side: makes a fresh back end for each run.
pub trait Contestant {
    /// Its name in reports.
    fn name(&self) -> String;

    /// A back end at its start; the one of the run before is no longer used.
    ///
    /// # Errors
    /// If there cannot be one.
    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError>;

    /// Lets go of what it keeps that is of no use for this setup: settings of the machine, which the
    /// other side may ask to be others.
    fn release(&mut self, setup: &Setup) {
        let _ = setup;
    }
}

/// A side whose back ends are made by a function.
pub struct Fresh<F> {
    name: &'static str,
    make: F,
    current: Option<Box<dyn Backend>>,
}

impl<F: FnMut(&Setup) -> Result<Box<dyn Backend>, BackendError>> Fresh<F> {
    /// With a name for reports.
    pub const fn new(name: &'static str, make: F) -> Self {
        Self {
            name,
            make,
            current: None,
        }
    }
}

impl<F: FnMut(&Setup) -> Result<Box<dyn Backend>, BackendError>> Contestant for Fresh<F> {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError> {
        self.current = None;
        let backend = (self.make)(setup)?;
        Ok(self.current.insert(backend).as_mut())
    }
}

/// The simulator.
pub struct Simulator {
    check: bool,
    contents: bool,
    current: Option<Checked>,
}

impl Simulator {
    /// With its invariants checked after every call, or not.
    pub const fn new(check: bool) -> Self {
        Self {
            check,
            contents: true,
            current: None,
        }
    }

    /// Each read's value becomes 0, as the model's is, which knows nothing of contents.
    #[must_use]
    pub fn without_contents(self) -> Self {
        Self {
            contents: false,
            ..self
        }
    }
}

impl Contestant for Simulator {
    fn name(&self) -> String {
        "vmsim".to_owned()
    }

    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError> {
        self.current = None;
        let checked = Checked {
            machine: sim_fork::new_machine(setup)?,
            check: self.check,
            contents: self.contents,
        };
        Ok(self.current.insert(checked))
    }
}

/// A simulated machine whose broken invariants are breakdowns.
struct Checked {
    machine: Box<dyn SimBackend>,
    check: bool,
    contents: bool,
}

impl Backend for Checked {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let outcome = self.machine.call(pid, call)?;
        if self.check {
            let broken = |why| BackendError::Broken(format!("broken invariant: {why}"));
            self.machine.check_invariants().map_err(broken)?;
        }
        let reads = matches!(
            call,
            Call::Access {
                access: Access::Read,
                ..
            }
        );
        if reads && !self.contents && outcome.is_ok() {
            return Ok(Outcome::OK);
        }
        Ok(outcome)
    }

    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        self.machine.snapshot(pid, level)
    }

    fn processes(&self) -> Vec<Pid> {
        self.machine.processes()
    }
}

/// The running kernel; it is kept from run to run as long as the setup is the same.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[derive(Default)]
pub struct Live {
    current: Option<(Setup, crate::live::LiveKernel)>,
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
impl Contestant for Live {
    fn name(&self) -> String {
        format!("Linux {}", crate::live::kernel_release())
    }

    fn release(&mut self, setup: &Setup) {
        self.current = self.current.take().filter(|(old, _)| old == setup);
    }

    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError> {
        self.release(setup);
        if let Some((old, mut live)) = self.current.take()
            && live.restart().is_ok()
        {
            return Ok(&mut self.current.insert((old, live)).1);
        }
        // What was kept is gone here: settings of the machine are released before others are
        // asked for.
        let live = crate::live::LiveKernel::new(setup)?;
        Ok(&mut self.current.insert((setup.clone(), live)).1)
    }
}
