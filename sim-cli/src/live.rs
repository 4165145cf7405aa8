//! The running kernel as the commands see it, where there is one that can be used.

use sim_core::{Backend, Features, Profile, Setup};

use crate::ending::Trouble;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::{Backend, Features, Profile, Setup, Trouble};
    use sim_oracle::live::{self, LiveError, LiveKernel};

    fn trouble(error: &LiveError) -> Trouble {
        Trouble::Impossible(error.to_string())
    }

    pub(crate) fn available() -> Result<(), Trouble> {
        live::availability().map_err(|error| trouble(&error))
    }

    pub(crate) fn probe() -> Result<(Profile, Features), Trouble> {
        live::probe().map_err(|error| trouble(&error))
    }

    pub(crate) fn new(setup: &Setup) -> Result<Box<dyn Backend>, Trouble> {
        let kernel = LiveKernel::new(setup).map_err(|error| trouble(&error))?;
        Ok(Box::new(kernel))
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod here {
    use super::{Backend, Features, Profile, Setup, Trouble};

    fn trouble() -> Trouble {
        Trouble::Impossible("a live kernel can be used on Linux on x86_64 only".to_owned())
    }

    pub(crate) fn available() -> Result<(), Trouble> {
        Err(trouble())
    }

    pub(crate) fn probe() -> Result<(Profile, Features), Trouble> {
        Err(trouble())
    }

    pub(crate) fn new(_: &Setup) -> Result<Box<dyn Backend>, Trouble> {
        Err(trouble())
    }
}

/// Whether it can be used; otherwise the reason.
pub(crate) fn available() -> Result<(), Trouble> {
    here::available()
}

/// Its profile and features, found by trying.
pub(crate) fn probe() -> Result<(Profile, Features), Trouble> {
    here::probe()
}

/// A run on it.
pub(crate) fn new(setup: &Setup) -> Result<Box<dyn Backend>, Trouble> {
    here::new(setup)
}
