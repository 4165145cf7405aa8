//! A simulated machine as a target.

use std::hint::black_box;

use sim_core::store::{BTreeStore, MapleStore, RangeMapStore};
use sim_core::{BackendError, Event, Outcome, Pid, Setup, VirtAddr};
use sim_fork::{SimBackend, new_machine_with_store};

use super::{Step, Target};

/// A store of VMAs by name.
///
/// To measure another one: implement [`VmaStore`](sim_core::store::VmaStore) for it and add it here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum StoreName {
    /// vmsim's own.
    #[default]
    Maple,
    /// The standard library's `BTreeMap`.
    BTree,
    /// The crate `rangemap`.
    RangeMap,
}

impl StoreName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Maple, Self::BTree, Self::RangeMap];

    /// Its name on the command line and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Maple => "maple",
            Self::BTree => "btree",
            Self::RangeMap => "rangemap",
        }
    }

    /// A machine whose VMAs are in this store.
    ///
    /// # Errors
    /// As [`new_machine_with_store`].
    pub fn machine(self, setup: &Setup) -> Result<Box<dyn SimBackend>, BackendError> {
        match self {
            Self::Maple => new_machine_with_store::<MapleStore>(setup),
            Self::BTree => new_machine_with_store::<BTreeStore>(setup),
            Self::RangeMap => new_machine_with_store::<RangeMapStore>(setup),
        }
    }
}

/// A simulated machine as a target.
pub struct Simulated {
    store: StoreName,
    machine: Box<dyn SimBackend>,
}

impl Simulated {
    /// A new machine.
    ///
    /// # Errors
    /// If none can be made.
    pub fn new(store: StoreName, setup: &Setup) -> Result<Self, BackendError> {
        Ok(Self {
            store,
            machine: store.machine(setup)?,
        })
    }

    /// What the first process recorded since the last time.
    ///
    /// # Errors
    /// If it has ended.
    pub fn take_events(&self) -> Result<Vec<Event>, BackendError> {
        self.machine.take_events(Pid::MAIN)
    }
}

impl Target for Simulated {
    fn fresh(&mut self, setup: &Setup) -> Result<(), BackendError> {
        self.machine = self.store.machine(setup)?;
        Ok(())
    }

    fn set_concurrent(&self, concurrent: bool) {
        self.machine.set_concurrent(concurrent);
    }

    fn record_events(&self, on: bool) -> Result<(), BackendError> {
        self.machine.record_events(Pid::MAIN, on)
    }

    fn run(&self, step: &Step) -> Result<Outcome, BackendError> {
        match step {
            Step::Call(pid, call) => self.machine.run(*pid, call),
            Step::PlaceBrk(pid, at) => self.machine.place_brk(*pid, *at).map(|()| Outcome::OK),
        }
    }

    fn find_vmas(&self, addresses: &[VirtAddr]) -> Result<usize, BackendError> {
        self.machine.find_vmas(Pid::MAIN, addresses).map(black_box)
    }

    fn end(&self) {
        // A process that has ended recorded nothing.
        let _ = self.take_events();
    }

    fn vmas(&self) -> Option<usize> {
        self.machine.map_count(Pid::MAIN).ok()
    }
}
