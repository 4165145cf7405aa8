//! What all processes of a machine share: physical memory, files, swap, anon_vmas, settings.

use sim_sync::prim::atomic::{AtomicU32, Ordering};
use std::num::NonZeroU32;
use std::sync::Arc;

use sim_core::{
    AllocKind, FailPoints, Features, MmConfig, MmShared, PAGE_SIZE, Setup, UffdCtxId, UffdFeatures,
};
use sim_pagetable::{AllocGate, Frames};
use sim_sync::{Mutex, class};

use crate::device::Devices;
use crate::file::Files;
use crate::lru::Lru;
use crate::swap::Swap;
use crate::thp::Khugepaged;

/// The machine without its processes.
#[derive(Debug)]
pub struct Shared {
    /// What the run started from.
    pub setup: Setup,
    /// What every address space is made with.
    pub config: Arc<MmConfig>,
    /// anon_vmas, failures to come, commit accounting.
    pub mm: MmShared,
    gate: Arc<Gate>,
    /// Physical memory and the memory of page tables.
    pub frames: Arc<Frames>,
    /// Pages that wait for their place on reclaim's lists.
    pub(crate) lru: Lru,
    /// Mapped objects and the page cache.
    pub files: Files,
    /// Swap.
    pub swap: Swap,
    /// Memory of devices.
    pub devices: Devices,
    /// khugepaged's list of processes.
    pub khugepaged: Mutex<Khugepaged, class::Khugepaged>,
    /// userfaultfd contexts made so far.
    uffd_contexts: AtomicU32,
    /// Address spaces made so far.
    spaces: AtomicU32,
}

/// Lets [`FailPoints`] decide about frames and page tables.
#[derive(Debug)]
struct Gate {
    fail: Arc<FailPoints>,
    /// Open for what the simulated kernel does not allocate now.
    open: AtomicU32,
}

impl AllocGate for Gate {
    fn allow(&self) -> bool {
        self.open.load(Ordering::Relaxed) != 0 || self.fail.alloc(AllocKind::Page).is_ok()
    }
}

impl Shared {
    /// The machine that a set-up describes.
    pub(crate) fn new(setup: &Setup) -> Self {
        let mm = MmShared::new(&setup.limits);
        let gate = Arc::new(Gate {
            fail: Arc::clone(&mm.fail),
            open: AtomicU32::new(0),
        });
        let allocation_gate: Arc<dyn AllocGate> = Arc::clone(&gate) as _;
        let frames = Frames::new(setup.limits.ram.get().div_ceil(PAGE_SIZE), allocation_gate);
        frames.set_concurrent(false);
        Self {
            setup: setup.clone(),
            config: Arc::new(MmConfig::new(setup)),
            mm,
            gate,
            frames: Arc::new(frames),
            lru: Lru::default(),
            files: Files::new(&setup.files),
            swap: Swap::new(setup.limits.swap.pages(), setup.limits.swap_device),
            devices: Devices::default(),
            khugepaged: Mutex::default(),
            uffd_contexts: AtomicU32::new(0),
            spaces: AtomicU32::new(0),
        }
    }

    /// Says whether several threads are about to run.
    pub(crate) fn set_concurrent(&self, concurrent: bool) {
        self.drain_lru();
        self.frames.set_concurrent(concurrent);
    }

    /// Do several threads run?
    pub(crate) fn is_concurrent(&self) -> bool {
        self.frames.concurrent()
    }

    /// The behaviours in force.
    pub const fn features(&self) -> &Features {
        &self.setup.features
    }

    /// Features of every userfaultfd.
    pub const fn uffd_features(&self) -> UffdFeatures {
        self.setup.uffd
    }

    /// Empties the per-CPU batches of pages.
    pub(crate) fn drain_lru(&self) {
        self.lru.drain(&self.frames);
    }

    /// The failures to come.
    pub fn fail(&self) -> &FailPoints {
        &self.mm.fail
    }

    /// Was an allocation refused by an injected failure that nobody has taken note of?
    pub(crate) fn injected(&self) -> bool {
        self.mm.fail.has_fired()
    }

    /// The same, and takes note of it.
    pub(crate) fn take_injected(&self) -> bool {
        self.mm.fail.take_fired()
    }

    /// Runs `f`, which allocates what Linux has allocated long before: no failure is injected.
    pub(crate) fn without_failures<T>(&self, f: impl FnOnce() -> T) -> T {
        self.gate.open.fetch_add(1, Ordering::Relaxed);
        let result = f();
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
        result
    }

    /// A userfaultfd context that no one else has.
    pub(crate) fn new_uffd_context(&self) -> UffdCtxId {
        let number = self.uffd_contexts.fetch_add(1, Ordering::Relaxed);
        UffdCtxId(NonZeroU32::MIN.saturating_add(number))
    }

    /// A number for a new address space.
    pub(crate) fn new_space_number(&self) -> u32 {
        self.spaces.fetch_add(1, Ordering::Relaxed)
    }
}
