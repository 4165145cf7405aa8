//! Why a fault could not be handled.

use sim_core::store::NoMemory;
use sim_core::{Errno, Outcome, Signal};

/// How a page fault ends when it does not end with a mapped page (`VM_FAULT_*` errors).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum FaultError {
    /// Nothing is mapped there, or a guard is (`SEGV_MAPERR`).
    Maperr,
    /// The VMA does not allow the access (`SEGV_ACCERR`).
    Accerr,
    /// Beyond the end of the object, or a userfault with the SIGBUS feature (`VM_FAULT_SIGBUS`).
    Bus,
    /// The page is poisoned (`VM_FAULT_HWPOISON`).
    Poison,
    /// No memory (`VM_FAULT_OOM`).
    Oom,
    /// It waits for a userfault that nobody handles.
    UffdWait,
}

impl FaultError {
    /// What the program sees of it.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Maperr | Self::Accerr => Outcome::Signal(Signal::SIGSEGV),
            Self::Bus | Self::Poison => Outcome::Signal(Signal::SIGBUS),
            Self::Oom => Outcome::Signal(Signal::SIGKILL),
            Self::UffdWait => Outcome::UffdWait,
        }
    }

    /// What the kernel sees of it when it faults pages in for the program
    /// (`mm/gup.c: faultin_page()`).
    pub(crate) const fn gup(self) -> PopulateError {
        match self {
            Self::Maperr | Self::Accerr | Self::Bus => PopulateError::Errno(Errno::EFAULT),
            Self::Poison => PopulateError::Errno(Errno::EHWPOISON),
            Self::Oom => PopulateError::Errno(Errno::ENOMEM),
            Self::UffdWait => PopulateError::UffdWait,
        }
    }
}

/// How a call that faults pages in for the program can end early.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PopulateError {
    /// With an error.
    Errno(Errno),
    /// It waits for a userfault that nobody handles.
    UffdWait,
}

impl PopulateError {
    /// What the program sees of it.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Errno(errno) => Outcome::Errno(errno),
            Self::UffdWait => Outcome::UffdWait,
        }
    }
}

impl From<Errno> for PopulateError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<NoMemory> for FaultError {
    fn from(_: NoMemory) -> Self {
        Self::Oom
    }
}

impl From<sim_pagetable::NoMemory> for FaultError {
    fn from(_: sim_pagetable::NoMemory) -> Self {
        Self::Oom
    }
}
