//! The running kernel as the commands see it, where there is one that can be used.

use sim_core::{Backend, Features, Profile, Setup};
use sim_oracle::bench::{self, BenchError, Spec};
use sim_oracle::fuzz::Contestant;
use sim_oracle::{Comparison, Level};

use crate::ending::Trouble;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::{
        Backend, BenchError, Contestant, Features, Process, Profile, Setup, Spec, Trouble,
    };
    use sim_oracle::bench;
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

    pub(crate) fn adopt(setup: &mut Setup) {
        live::adopt(setup);
    }

    pub(crate) fn not_compared() -> Vec<&'static str> {
        live::not_compared()
    }

    pub(crate) fn sees_entry_kinds() -> bool {
        live::sees_entry_kinds()
    }

    pub(crate) fn has_soft_dirty() -> bool {
        live::has_soft_dirty()
    }

    pub(crate) fn contestant() -> Box<dyn Contestant> {
        Box::new(sim_oracle::fuzz::Live::default())
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it cannot be")]
    pub(crate) fn can_measure() -> Result<(), Trouble> {
        Ok(())
    }

    impl Process for bench::live::Kernel {
        fn prepare(&mut self) -> Result<(), BenchError> {
            bench::live::Kernel::prepare(self)
        }

        fn into_contestant(self: Box<Self>) -> Box<dyn bench::Contestant> {
            self
        }
    }

    pub(crate) fn start_bench(spec: &Spec) -> Result<Box<dyn Process>, BenchError> {
        Ok(Box::new(bench::live::Kernel::start(spec)?))
    }

    pub(crate) fn release() -> String {
        live::kernel_release()
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod here {
    use super::{
        Backend, BenchError, Contestant, Features, Process, Profile, Setup, Spec, Trouble,
    };

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

    pub(crate) fn adopt(_: &mut Setup) {}

    pub(crate) fn not_compared() -> Vec<&'static str> {
        Vec::new()
    }

    pub(crate) fn sees_entry_kinds() -> bool {
        true
    }

    pub(crate) fn has_soft_dirty() -> bool {
        true
    }

    pub(crate) fn contestant() -> Box<dyn Contestant> {
        unreachable!("asked for only where a live kernel is available")
    }

    pub(crate) fn can_measure() -> Result<(), Trouble> {
        Err(trouble())
    }

    pub(crate) fn start_bench(_: &Spec) -> Result<Box<dyn Process>, BenchError> {
        unreachable!("asked for only where system calls can be measured")
    }

    pub(crate) fn release() -> String {
        unreachable!("asked for only where system calls can be measured")
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

/// Gives a set-up what the running kernel has, so that both sides have the same. Per-CPU batches are
/// always drained: other programs drain the kernel's.
pub(crate) fn adopt(setup: &mut Setup) {
    here::adopt(setup);
}

/// What cannot be compared as this user.
pub(crate) fn not_compared() -> Vec<&'static str> {
    here::not_compared()
}

/// What of a profile is compared with it.
pub(crate) fn comparison(level: Level, profile: Profile) -> Comparison {
    let mut comparison = Comparison::new(level);
    comparison.entry_kinds = here::sees_entry_kinds();
    // That of 6.18-stable is simulated as built without it.
    comparison.soft_dirty = here::has_soft_dirty() && profile != Profile::V6_18Stable;
    comparison
}

/// It as a side of the fuzzer; only where it is [`available`].
pub(crate) fn contestant() -> Box<dyn Contestant> {
    here::contestant()
}

/// A process whose system calls are measured.
pub(crate) trait Process {
    /// Makes what must be there before.
    fn prepare(&mut self) -> Result<(), BenchError>;

    /// What takes turns with others.
    fn into_contestant(self: Box<Self>) -> Box<dyn bench::Contestant>;
}

/// Whether system calls can be measured here; that needs no privileges.
pub(crate) fn can_measure() -> Result<(), Trouble> {
    here::can_measure()
}

/// Starts a process for a measurement; only where that [can be](can_measure).
pub(crate) fn start_bench(spec: &Spec) -> Result<Box<dyn Process>, BenchError> {
    here::start_bench(spec)
}

/// The running kernel's release; only where it can be measured.
pub(crate) fn release() -> String {
    here::release()
}
