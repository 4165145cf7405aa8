//! Mutexes, reader-writer locks and atomics of the engine, in one place: those of a program, or
//! those of a model checker, which decides at each use of them which thread goes on.
//!
//! | feature | mutexes, reader-writer locks | atomics |
//! | --- | --- | --- |
//! | none | `parking_lot` | `std` |
//! | `loom` | over loom's mutex | loom's: weak memory, all schedules |
//! | `shuttle` | over shuttle's mutex | `std`'s, each use a scheduling point: sequentially consistent |
//!
//! The features are for the packages in `concurrency/` alone, which are no part of the workspace.

#[cfg(any(feature = "loom", feature = "shuttle"))]
mod checked;
#[cfg(feature = "loom")]
mod loom;
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
mod native;
#[cfg(feature = "shuttle")]
mod shuttle;

#[cfg(all(feature = "loom", feature = "shuttle"))]
compile_error!("one model checker at a time");

#[cfg(any(feature = "loom", feature = "shuttle"))]
pub use checked::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
pub use native::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Atomics.
pub mod atomic {
    #[cfg(feature = "loom")]
    pub use super::loom::atomic::*;
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    pub use super::native::atomic::*;
    #[cfg(feature = "shuttle")]
    pub use super::shuttle::atomic::*;
}

/// Lets other threads run while this one waits for one of them to finish something short.
#[derive(Debug, Default)]
pub struct Backoff {
    rounds: u32,
}

impl Backoff {
    /// Waits a little, longer each time.
    pub fn snooze(&mut self) {
        if cfg!(any(feature = "loom", feature = "shuttle")) {
            yield_now();
        } else if self.rounds < 6 {
            for _ in 0..1 << self.rounds {
                std::hint::spin_loop();
            }
            self.rounds += 1;
        } else {
            yield_now();
        }
    }
}

/// A place where the order of two threads matters: a model checker lets another one go on here.
/// Nothing otherwise.
#[inline]
pub fn crossing() {
    #[cfg(any(feature = "loom", feature = "shuttle"))]
    yield_now();
}

/// Lets another thread run.
pub fn yield_now() {
    #[cfg(feature = "loom")]
    loom::thread::yield_now();
    #[cfg(feature = "shuttle")]
    shuttle::thread::yield_now();
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    std::thread::yield_now();
}
