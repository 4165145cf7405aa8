//! The two sides of a fuzzing run.

use sim_core::{Backend, BackendError, Setup};

/// A side: makes a fresh back end for each run.
pub trait Contestant {
    /// Its name in reports.
    fn name(&self) -> String;

    /// A back end at its start; the one of the run before is no longer used.
    ///
    /// # Errors
    /// If there cannot be one.
    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError>;
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

    fn start(&mut self, setup: &Setup) -> Result<&mut dyn Backend, BackendError> {
        let kept = self.current.take().filter(|(old, _)| old == setup);
        if let Some((old, mut live)) = kept
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
