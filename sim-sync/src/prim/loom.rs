//! loom's primitives.

pub(super) use ::loom::sync::{Condvar, Mutex, MutexGuard};
pub(super) use ::loom::thread;

/// Atomics.
pub(super) mod atomic {
    pub use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };

    /// Numbers that are all 0.
    pub fn zeroed(len: usize) -> Box<[AtomicU64]> {
        (0..len).map(|_| AtomicU64::new(0)).collect()
    }
}
