//! The running kernel as the commands see it, where there is one that can be used.

use sim_core::{Backend, Features, Profile, Setup};
use sim_oracle::fuzz::Contestant;

use crate::ending::Trouble;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::{Backend, Contestant, Features, Profile, Setup, Trouble};
    use sim_oracle::live::{self, LiveError, LiveKernel};

    fn trouble(error: &LiveError) -> Trouble {
        Trouble::Impossible(error.to_string())
    }

    pub(crate) fn available() -> Result<(), Trouble> {
        live::availability().map_err(|error| trouble(&error))
    }

    pub(crate) fn probe() -> Result<(Profile, Features), Trouble> {
        live::probe()
            .map(|found| (found.profile, found.features))
            .map_err(|error| trouble(&error))
    }

    pub(crate) fn new(setup: &Setup) -> Result<Box<dyn Backend>, Trouble> {
        let kernel = LiveKernel::new(setup).map_err(|error| trouble(&error))?;
        Ok(Box::new(kernel))
    }

    pub(crate) fn contestant() -> Box<dyn Contestant> {
        Box::new(sim_oracle::fuzz::Live::default())
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod here {
    use super::{Backend, Contestant, Features, Profile, Setup, Trouble};

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

    pub(crate) fn contestant() -> Box<dyn Contestant> {
        unreachable!("asked for only where a live kernel is available")
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

/// It as a side of the fuzzer; only where it is [`available`].
pub(crate) fn contestant() -> Box<dyn Contestant> {
    here::contestant()
}
