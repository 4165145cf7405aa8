//! Which measurement is wanted.

use std::sync::Arc;

use sim_core::{Bytes, PageCount, Setup};

use super::{Script, Workload};

/// A workload with its sizes. The same one makes the same calls on every target.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What is measured.
    pub workload: Workload,
    /// VMAs, of all threads together.
    pub vmas: u64,
    /// Pages, of all threads together.
    pub pages: PageCount,
    /// Threads of one process that run it at the same time.
    pub threads: usize,
    /// The clock on the wall is taken, and rounds are longer, since it is measured beside threads.
    pub beside_threads: bool,
    /// Locks are taken although there is one thread.
    pub locks: bool,
    /// Where random numbers start.
    pub seed: u64,
    /// What [`Workload::Replay`] and [`Workload::Mixed`] run.
    pub scripts: Arc<[Script]>,
}

impl Spec {
    /// A workload among so many VMAs, with so many pages, on one thread.
    pub fn new(workload: Workload, vmas: u64, pages: PageCount) -> Self {
        Self {
            workload,
            vmas,
            pages,
            threads: 1,
            beside_threads: false,
            locks: false,
            seed: 1,
            scripts: Arc::new([]),
        }
    }

    /// Is the clock on the wall the one to take?
    pub const fn by_wall(&self) -> bool {
        self.threads > 1 || self.beside_threads
    }

    /// The simulated machine that it needs: as much RAM as it takes, no limit on VMAs, otherwise
    /// as `kernel` says.
    pub fn setup(&self, kernel: &Setup) -> Setup {
        let mut setup = kernel.clone();
        let pages = self.pages.get() * 3 + self.vmas * 8 + (1 << 18);
        setup.limits.ram = Bytes::from_pages(pages);
        setup.limits.max_map_count = i32::MAX.cast_unsigned();
        setup
    }
}
