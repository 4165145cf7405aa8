//! loom's primitives.

pub(super) use ::loom::sync::{Condvar, Mutex, MutexGuard};
pub(super) use ::loom::thread;

/// Atomics.
pub(super) mod atomic {
    pub use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };

    /// Arrays of numbers that are all 0.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "memory may be short in a program only"
    )]
    pub fn zeroed(len: usize) -> Option<Box<[[AtomicU64; 512]]>> {
        let array = |_| std::array::from_fn(|_| AtomicU64::new(0));
        Some((0..len).map(array).collect())
    }
}
