//! The primitives of a program.

pub use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Atomics.
pub(super) mod atomic {
    pub use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };

    /// Arrays of numbers that are all 0, of which memory is only used once they are written; none
    /// if the program may not have as much.
    pub fn zeroed(len: usize) -> Option<Box<[[AtomicU64; 512]]>> {
        bytemuck::allocation::try_zeroed_slice_box(len).ok()
    }
}
