//! A simulated machine as a target.

use std::hint::black_box;

use sim_core::store::{BTreeStore, MapleStore, RangeMapStore, VmaStore};
use sim_core::{BackendError, Event, Outcome, Pid, Setup, VirtAddr};
use sim_fork::{SimBackend, new_machine_with_store};

use super::{Step, Target};

/// A store of VMAs by name.
///
/// Another one: implement [`VmaStore`] for it and measure it by [`Simulated::with_store`], as the
/// example `own_store` of the package `vmsim-benches` does, or add it here.
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
        self.maker()(setup)
    }

    fn maker(self) -> MakeMachine {
        match self {
            Self::Maple => new_machine_with_store::<MapleStore>,
            Self::BTree => new_machine_with_store::<BTreeStore>,
            Self::RangeMap => new_machine_with_store::<RangeMapStore>,
        }
    }
}

type MakeMachine = fn(&Setup) -> Result<Box<dyn SimBackend>, BackendError>;

/// A simulated machine as a target.
pub struct Simulated {
    make: MakeMachine,
    machine: Box<dyn SimBackend>,
}

impl Simulated {
    /// A new machine.
    ///
    /// # Errors
    /// If none can be made.
    pub fn new(store: StoreName, setup: &Setup) -> Result<Self, BackendError> {
        Self::made_by(store.maker(), setup)
    }

    /// A new machine with a store that has no name here, such as one that is being tried out.
    ///
    /// # Errors
    /// If none can be made.
    pub fn with_store<S: VmaStore>(setup: &Setup) -> Result<Self, BackendError> {
        Self::made_by(new_machine_with_store::<S>, setup)
    }

    fn made_by(make: MakeMachine, setup: &Setup) -> Result<Self, BackendError> {
        let machine = make(setup)?;
        Ok(Self { make, machine })
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
        self.machine = (self.make)(setup)?;
        Ok(())
    }

    fn set_concurrent(&self, concurrent: bool) {
        self.machine.set_concurrent(concurrent);
    }

    fn record_events(&self, on: bool) -> Result<(), BackendError> {
        self.machine.record_events(Pid::MAIN, on)
    }

    fn run(&mut self, step: &Step) -> Result<Outcome, BackendError> {
        match step {
            Step::Call(pid, call) => self.machine.call(*pid, call),
            Step::PlaceBrk(..) => self.run_beside(step),
        }
    }

    fn run_beside(&self, step: &Step) -> Result<Outcome, BackendError> {
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
