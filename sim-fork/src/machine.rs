//! The simulated machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_core::store::{DefaultStore, VmaStore};
use sim_core::{
    Advice, Backend, BackendError, BrkFields, Call, Concurrent, Event, LruBatches, Outcome, Pid,
    Profile, Setup, Signal, Snapshot, SnapshotLevel, VirtAddr,
};
use sim_pagetable::{Arch, Arm64, X86_64, X86_64NoSoftDirty};
use sim_sync::{Mutant, Mutex, ReadMostly, class};

use crate::exit;
use crate::invariants;
use crate::proc::{self, DumpKind};
use crate::process::Process;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// Processes and what they share. All methods take `&self` and may be called by several threads
/// once [`set_concurrent`](Concurrent::set_concurrent) said so.
#[derive(Debug)]
pub struct Machine<A: Arch, S: VmaStore = DefaultStore> {
    shared: Shared,
    processes: ReadMostly<BTreeMap<Pid, Arc<Process<A, S>>>, class::Processes>,
    /// While several threads run: which calls may bring in or take away pages of objects.
    objects: ReadMostly<(), class::Objects>,
    /// The process of the last call of who has the machine for itself, who need not lock and search
    /// the table again.
    recent: Mutex<Option<Arc<Process<A, S>>>, class::Recent>,
}

/// What the simulator offers beyond [`Backend`].
pub trait SimBackend: Backend + Concurrent + Send {
    /// A view of a process as text; `name` is what the run calls it.
    ///
    /// # Errors
    /// If there is no such process.
    fn dump(&self, pid: Pid, name: &str, what: DumpKind) -> Result<String, BackendError>;

    /// Makes `start` the start of the heap and the break of a process that has no heap yet, as
    /// execve does.
    ///
    /// # Errors
    /// If there is no such process.
    fn place_brk(&self, pid: Pid, start: VirtAddr) -> Result<(), BackendError>;

    /// Starts or stops recording events in a process.
    ///
    /// # Errors
    /// If there is no such process.
    fn record_events(&self, pid: Pid, on: bool) -> Result<(), BackendError>;

    /// Events recorded in a process since the last time.
    ///
    /// # Errors
    /// If there is no such process.
    fn take_events(&self, pid: Pid) -> Result<Vec<Event>, BackendError>;

    /// How many VMAs a process has now (`mm->map_count`).
    ///
    /// # Errors
    /// If there is no such process.
    fn map_count(&self, pid: Pid) -> Result<usize, BackendError>;

    /// How many of these addresses are in a VMA: without a lock while threads run at the same time.
    ///
    /// # Errors
    /// If there is no such process.
    fn find_vmas(&self, pid: Pid, addresses: &[VirtAddr]) -> Result<usize, BackendError>;

    /// Checks all invariants of the machine.
    ///
    /// # Errors
    /// The first broken one, by name.
    fn check_invariants(&self) -> Result<(), String>;
}

/// The machine that a set-up describes, with one process, [`Pid::MAIN`].
///
/// # Errors
/// If its RAM does not even hold a process without memory.
pub fn new_machine(setup: &Setup) -> Result<Box<dyn SimBackend>, BackendError> {
    new_machine_with_store::<DefaultStore>(setup)
}

/// The same with another store of VMAs.
///
/// # Errors
/// As [`new_machine`].
pub fn new_machine_with_store<S: VmaStore>(
    setup: &Setup,
) -> Result<Box<dyn SimBackend>, BackendError> {
    Ok(match (setup.arch, setup.profile) {
        (sim_core::Arch::Arm64, _) => Box::new(Machine::<Arm64, S>::new(setup)?),
        // The kernel that this profile stands for is built without soft-dirty tracking.
        (sim_core::Arch::X86_64, Profile::V6_18Stable) => {
            Box::new(Machine::<X86_64NoSoftDirty, S>::new(setup)?)
        }
        (sim_core::Arch::X86_64, _) => Box::new(Machine::<X86_64, S>::new(setup)?),
    })
}

impl<A: Arch, S: VmaStore> Machine<A, S> {
    /// The machine that a set-up describes.
    ///
    /// # Errors
    /// If its RAM does not even hold a process without memory.
    pub fn new(setup: &Setup) -> Result<Self, BackendError> {
        let shared = Shared::new(setup);
        let space = AddressSpace::empty(&shared, Arc::clone(&shared.config))
            .map_err(|error| BackendError::Broken(error.to_string()))?;
        let main = Process {
            pid: Pid::MAIN,
            space: Arc::new(space),
        };
        Ok(Self {
            shared,
            processes: ReadMostly::new(BTreeMap::from([(Pid::MAIN, Arc::new(main))])),
            objects: ReadMostly::new(()),
            recent: Mutex::default(),
        })
    }

    /// What the processes share.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A live process.
    ///
    /// # Errors
    /// If there is none with this number.
    pub fn process(&self, pid: Pid) -> Result<Arc<Process<A, S>>, BackendError> {
        let found = self.processes.read().get(&pid).cloned();
        found.ok_or(BackendError::NoSuchProcess(pid))
    }

    /// Live processes, ascending.
    pub fn all_processes(&self) -> Vec<Arc<Process<A, S>>> {
        self.processes.read().values().cloned().collect()
    }

    /// Every address space once, in the order in which they were made (what walks of `i_mmap` and
    /// of anon_vmas go through).
    pub fn spaces(&self) -> Vec<Arc<AddressSpace<A, S>>> {
        let by_number: BTreeMap<_, _> = self
            .processes
            .read()
            .values()
            .map(|p| (p.space.pages.number, Arc::clone(&p.space)))
            .collect();
        by_number.into_values().collect()
    }

    /// Adds a process, or gives one another address space; what it was before, which no call is
    /// under way in any more, but those that may change processes.
    pub(crate) fn insert_process(
        &self,
        pid: Pid,
        space: Arc<AddressSpace<A, S>>,
    ) -> Option<Arc<Process<A, S>>> {
        let process = Arc::new(Process { pid, space });
        let before = self.processes.update(|all| all.insert(pid, process));
        self.forget_recent();
        before
    }

    /// Takes a process out, with the same promise. `None` if another thread was faster.
    pub(crate) fn remove_process(&self, pid: Pid) -> Option<Arc<Process<A, S>>> {
        let removed = self.processes.update(|all| all.remove(&pid));
        self.forget_recent();
        removed
    }

    /// A process that has ended, or has another address space, is not to keep its memory.
    fn forget_recent(&self) {
        let recent = self.recent.lock().take();
        drop(recent);
    }
}

impl<A: Arch, S: VmaStore> Machine<A, S> {
    /// What comes before a call of any kind; an outcome is that of a call for the machine itself.
    fn begin(&self, pid: Pid, call: &Call) -> Result<Option<Outcome>, BackendError> {
        let Call::InjectAllocFailure { nth } = call else {
            return Ok(None);
        };
        self.process(pid)?;
        self.shared.fail().arm(*nth);
        Ok(Some(Outcome::OK))
    }

    /// What comes after it.
    fn end(
        &self,
        pid: Pid,
        outcome: Result<Outcome, BackendError>,
    ) -> Result<Outcome, BackendError> {
        let outcome = outcome.inspect_err(|_| self.settle())?;
        if outcome == Outcome::Signal(Signal::SIGKILL) {
            // Memory is short, and the out-of-memory killer has nobody else to choose.
            if let Ok(process) = self.process(pid) {
                exit::exit(self, &process);
            }
        }
        self.settle();
        Ok(outcome)
    }

    /// What a call leaves behind is done or undone.
    fn settle(&self) {
        self.shared.fail().disarm();
        if self.shared.setup.lru_batches == LruBatches::Drained {
            self.shared.drain_lru();
        }
    }

    /// The process that a call is for, for who has the machine for itself.
    fn take_recent(&mut self, pid: Pid) -> Result<Arc<Process<A, S>>, BackendError> {
        let recent = self.recent.get_mut().take();
        recent
            .filter(|process| process.pid == pid)
            .map_or_else(|| self.process(pid), Ok)
    }

    /// A call, but for what holds for all of them.
    fn run_unlocked(&self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        if may_change_processes(call) {
            self.dispatch(&*self.process(pid)?, call)
        } else {
            // Who wants to change the processes waits without other locks, and the calls below read
            // them recursively, so nobody waits for each other.
            let processes = self.processes.read();
            let process = processes.get(&pid);
            self.dispatch(process.ok_or(BackendError::NoSuchProcess(pid))?, call)
        }
    }
}

/// What a call may do to the pages of objects. In Linux a fault and a call that takes pages away
/// meet at the page's lock and at the object's `invalidate_lock`.
enum UseOfObjects {
    /// It may map pages that the objects have or get.
    BringsIn,
    /// It may take them out of the objects.
    TakesAway,
    /// It leaves them alone, but for its own mappings of them.
    Neither,
}

const fn use_of_objects(call: &Call) -> UseOfObjects {
    let takes_away = matches!(
        call,
        Call::Truncate { .. }
            | Call::PunchHole { .. }
            | Call::Khugepaged { .. }
            | Call::Reclaim(_)
            | Call::ReclaimPages(_)
            | Call::Madvise {
                advice: Advice::Remove | Advice::Collapse | Advice::Cold | Advice::Pageout,
                ..
            }
    );
    let brings_in = matches!(
        call,
        Call::Access { .. }
            | Call::Mmap(_)
            | Call::Mremap(_)
            | Call::Brk(_)
            | Call::Mprotect { .. }
            | Call::Mlock { .. }
            | Call::Mlockall(_)
            | Call::UffdCopy { .. }
            | Call::UffdContinue { .. }
            | Call::UffdZeropage(_)
            | Call::UffdMove { .. }
            | Call::Madvise {
                advice: Advice::PopulateRead | Advice::PopulateWrite | Advice::Willneed,
                ..
            }
    );
    if takes_away {
        UseOfObjects::TakesAway
    } else if brings_in {
        UseOfObjects::BringsIn
    } else {
        UseOfObjects::Neither
    }
}

/// Can a process come or go during the call?
const fn may_change_processes(call: &Call) -> bool {
    matches!(call, Call::Fork { .. } | Call::Exit | Call::Execve { .. })
}

impl<A: Arch, S: VmaStore> Backend for Machine<A, S> {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        if let Some(outcome) = self.begin(pid, call)? {
            return Ok(outcome);
        }
        let process = self.take_recent(pid)?;
        if may_change_processes(call) {
            let outcome = self.dispatch(&process, call);
            return self.end(pid, outcome);
        }
        let table = self.processes.is_mine();
        let outcome = self.dispatch(&process, call);
        drop(table);
        *self.recent.get_mut() = Some(process);
        self.end(pid, outcome)
    }

    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        let process = self.process(pid)?;
        Ok(proc::snapshot(&self.shared, &process.space, level))
    }

    fn processes(&self) -> Vec<Pid> {
        self.processes.read().keys().copied().collect()
    }

    fn check_invariants(&mut self) -> Result<(), String> {
        SimBackend::check_invariants(self)
    }

    fn concurrent(&self) -> Option<&dyn Concurrent> {
        Some(self)
    }
}

impl<A: Arch, S: VmaStore> Concurrent for Machine<A, S> {
    fn run(&self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        if let Some(outcome) = self.begin(pid, call)? {
            return Ok(outcome);
        }
        let outcome = match use_of_objects(call) {
            UseOfObjects::TakesAway
                if self.shared.is_concurrent() && !Mutant::ObjectsUnlocked.is_active() =>
            {
                self.objects.update(|()| self.run_unlocked(pid, call))
            }
            UseOfObjects::BringsIn if self.shared.is_concurrent() => {
                let _others_too = self.objects.read();
                self.run_unlocked(pid, call)
            }
            UseOfObjects::TakesAway | UseOfObjects::BringsIn | UseOfObjects::Neither => {
                self.run_unlocked(pid, call)
            }
        };
        self.end(pid, outcome)
    }

    fn set_concurrent(&self, concurrent: bool) {
        self.shared.set_concurrent(concurrent);
        if concurrent {
            for space in self.spaces() {
                space.share_among_threads();
            }
        }
    }
}

impl<A: Arch, S: VmaStore> SimBackend for Machine<A, S> {
    fn dump(&self, pid: Pid, name: &str, what: DumpKind) -> Result<String, BackendError> {
        let process = self.process(pid)?;
        Ok(proc::dump(&self.shared, &process, name, what))
    }

    fn place_brk(&self, pid: Pid, start: VirtAddr) -> Result<(), BackendError> {
        let process = self.process(pid)?;
        let mut mm = process.space.mm.write();
        let fields = BrkFields {
            start_brk: start,
            brk: start,
            ..*mm.brk_fields()
        };
        mm.set_brk_fields(fields);
        Ok(())
    }

    fn record_events(&self, pid: Pid, on: bool) -> Result<(), BackendError> {
        self.process(pid)?.space.record_events(on);
        Ok(())
    }

    fn take_events(&self, pid: Pid) -> Result<Vec<Event>, BackendError> {
        Ok(self.process(pid)?.space.events.take())
    }

    fn map_count(&self, pid: Pid) -> Result<usize, BackendError> {
        Ok(self.process(pid)?.space.mm.read().map_count())
    }

    fn find_vmas(&self, pid: Pid, addresses: &[VirtAddr]) -> Result<usize, BackendError> {
        let process = self.process(pid)?;
        Ok(process.space.count_mapped(addresses))
    }

    fn check_invariants(&self) -> Result<(), String> {
        invariants::check(self).map_err(|broken| broken.to_string())
    }
}
