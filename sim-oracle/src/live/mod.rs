//! The live kernel as a back end: real processes, real system calls, at the same addresses.
//!
//! Each simulated process is a child process of its own (`worker`) whose address space is empty
//! but for two VMAs above `mmap_base`, outside of where the kernel looks for room. So an empty run
//! has an empty arena, and addresses that the kernel chooses are those of a fresh process without
//! address-space randomisation: `mmap_base` is [`MMAP_BASE`], the heap starts at [`BRK_START`].
//!
//! What a program may do to workers is bounded: calls whose range reaches the workers' own memory
//! are refused as not supported, and a worker that hangs is killed.
//!
//! ```text
//!   0 ────────── arena ────────── MMAP_BASE ── TOP: code, slots ── TASK_SIZE
//! ```

mod access;
mod call;
mod danger;
mod drain;
mod error;
mod files;
mod host;
mod limits;
mod memory;
mod pagemap;
mod policy;
mod powers;
mod probe;
mod process;
mod settings;
mod smaps;
mod snapshot;
mod swap;
mod uffd;
pub(crate) mod worker;

use std::collections::BTreeMap;

use sim_core::{Arch, Backend, BackendError, Call, Outcome, Pid, Setup, Snapshot, SnapshotLevel};

pub use error::LiveError;
pub use host::{availability, kernel_release};
pub use powers::{adopt, has_soft_dirty, not_compared, sees_entry_kinds};
pub use probe::{Probe, probe};

use files::Files;
use limits::Privileges;
use powers::Powers;
use process::Process;
use settings::SettingsGuard;
use worker::Worker;
use worker::image::Image;
use worker::region::{Region, Slot};

/// Where the kernel starts its search for room, downwards: a process without randomisation whose
/// stack limit is the usual one.
pub const MMAP_BASE: u64 = 0x7fff_f7ff_f000;

/// Where the heap starts in every process.
pub const BRK_START: u64 = 0x5555_5555_5000;

/// The running kernel.
///
/// Processes are killed when the value is dropped; they are also killed when the thread that made
/// the value ends.
pub struct LiveKernel {
    // In this order: processes go before what they use.
    processes: BTreeMap<Pid, Process>,
    template: Worker,
    files: Files,
    region: Region,
    image: Image,
    setup: Setup,
    privileges: Privileges,
    powers: Powers,
    names_supported: bool,
    drain: drain::Drain,
    swap: swap::Writeback,
    spaces: u32,
    text: Vec<u8>,
    _settings: SettingsGuard,
}

impl LiveKernel {
    /// Starts a run on the running kernel.
    ///
    /// # Errors
    /// If it is not possible here, or the setup asks for something that a live kernel cannot be
    /// given.
    pub fn new(setup: &Setup) -> Result<Self, LiveError> {
        availability()?;
        let powers = Powers::now();
        check(setup, powers)?;
        let settings = SettingsGuard::acquire(setup)?;
        let drain = drain::Drain::new();
        let image = worker::image::build();
        let region = Region::new()?;
        let template = worker::spawn(&region, &image, Slot(0))?;
        limits::pad(&template, &region, &setup.limits)?;
        let names_supported = host::names_supported(&template, &region)?;
        let mut live = Self {
            processes: BTreeMap::new(),
            template,
            files: Files::new(&setup.files)?,
            region,
            image,
            setup: setup.clone(),
            privileges: Privileges::of(&setup.limits, powers),
            powers,
            names_supported,
            drain,
            swap: swap::Writeback::new(),
            spaces: 0,
            text: Vec::new(),
            _settings: settings,
        };
        live.start_main()?;
        Ok(live)
    }

    /// Ends all processes and starts afresh: much faster than a new value.
    ///
    /// # Errors
    /// If a process or a file cannot be made.
    pub fn restart(&mut self) -> Result<(), LiveError> {
        self.processes.clear();
        self.drain.restart();
        self.files.reset()?;
        self.start_main()
    }

    fn start_main(&mut self) -> Result<(), LiveError> {
        let worker = self
            .template
            .fork(&self.region, Slot(1), false)
            .map_err(|_| LiveError::Broken("the template worker does not answer".to_owned()))?
            .map_err(std::io::Error::from_raw_os_error)?;
        let mut process = Process::new(worker, 0);
        process.begin(&self.region)?;
        limits::apply(process.worker(), &self.region, &self.setup.limits)?;
        process.open_files(&self.region, &self.files)?;
        limits::drop_capabilities(process.worker(), &self.region, self.privileges)?;
        self.processes.insert(Pid::MAIN, process);
        Ok(())
    }

    fn process(&self, pid: Pid) -> Result<&Process, BackendError> {
        self.processes
            .get(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))
    }

    /// A number for a new address space.
    const fn new_space(&mut self) -> u32 {
        self.spaces += 1;
        self.spaces
    }

    fn free_slot(&self) -> Option<Slot> {
        let used: Vec<_> = self.processes.values().map(|p| p.worker().slot()).collect();
        (1..worker::layout::SLOTS)
            .map(Slot)
            .find(|slot| !used.contains(slot))
    }
}

/// What a live kernel cannot be given.
fn check(setup: &Setup, powers: Powers) -> Result<(), LiveError> {
    if setup.arch != Arch::X86_64 {
        return Err(LiveError::NotPossible(
            "the running kernel is x86_64, the run asks for another architecture".to_owned(),
        ));
    }
    if setup.limits.privileged && !powers.locks_memory() {
        return Err(LiveError::NotPossible(
            "the run asks for privileged processes, and this user is not privileged".to_owned(),
        ));
    }
    uffd::check_features(setup.uffd)?;
    limits::check(&setup.limits)
}

impl Backend for LiveKernel {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        self.process(pid)?;
        danger::check(call)?;
        swap::Writeback::check(call, &self.setup.files)?;
        let result = self.dispatch(pid, call);
        self.drain.after(call);
        self.swap.after(call);
        if matches!(result, Err(BackendError::Broken(_))) {
            self.processes.remove(&pid);
        }
        result
    }

    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        self.take_snapshot(pid, level)
    }

    fn processes(&self) -> Vec<Pid> {
        self.processes.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
