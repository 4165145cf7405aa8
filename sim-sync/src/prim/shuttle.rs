//! shuttle's primitives.
//!
//! The atomics are `std`'s with a scheduling point before each use: shuttle's own have more than
//! ten times their size, and it runs all threads of an execution in one, so that nothing is lost.

pub(super) use ::shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(super) use ::shuttle::thread;

/// Atomics.
#[expect(clippy::missing_errors_doc, reason = "as in std")]
pub(super) mod atomic {
    use std::sync::atomic as native;

    use shuttle_engine::runtime::thread::switch;

    pub use native::Ordering;

    /// All operations are sequentially consistent anyway.
    pub fn fence(_: Ordering) {}

    /// Arrays of numbers that are all 0.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "memory may be short in a program only"
    )]
    pub fn zeroed(len: usize) -> Option<Box<[[AtomicU64; 512]]>> {
        let array = |_| std::array::from_fn(|_| AtomicU64::new(0));
        Some((0..len).map(array).collect())
    }

    macro_rules! methods {
        ($int:ty: $($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {$(
            #[doc = concat!("As `std`'s `", stringify!($name), "()`.")]
            pub fn $name(&self, $($argument: $kind),*) -> $result {
                switch();
                self.0.$name($($argument),*)
            }
        )*};
    }

    macro_rules! atomics {
        ($($name:ident: $int:ty;)*) => {$(
            #[doc = concat!("`std`'s `", stringify!($name), "`, with scheduling points.")]
            #[derive(Debug, Default)]
            #[repr(transparent)]
            pub struct $name(native::$name);

            impl $name {
                /// As `std`'s `new()`.
                pub const fn new(value: $int) -> Self {
                    Self(native::$name::new(value))
                }

                /// As `std`'s `get_mut()`.
                pub fn get_mut(&mut self) -> &mut $int {
                    self.0.get_mut()
                }

                /// As `std`'s `into_inner()`.
                pub const fn into_inner(self) -> $int {
                    self.0.into_inner()
                }

                methods! { $int:
                    load(order: Ordering) -> $int;
                    store(value: $int, order: Ordering) -> ();
                    swap(value: $int, order: Ordering) -> $int;
                    fetch_or(value: $int, order: Ordering) -> $int;
                    fetch_and(value: $int, order: Ordering) -> $int;
                    fetch_xor(value: $int, order: Ordering) -> $int;
                    compare_exchange(old: $int, new: $int, done: Ordering, failed: Ordering) -> Result<$int, $int>;
                }

                /// As `std`'s `compare_exchange_weak()`; it does not fail for nothing.
                pub fn compare_exchange_weak(
                    &self,
                    old: $int,
                    new: $int,
                    done: Ordering,
                    failed: Ordering,
                ) -> Result<$int, $int> {
                    self.compare_exchange(old, new, done, failed)
                }

                /// As `std`'s `fetch_update()`.
                pub fn fetch_update(
                    &self,
                    done: Ordering,
                    failed: Ordering,
                    mut change: impl FnMut($int) -> Option<$int>,
                ) -> Result<$int, $int> {
                    let mut old = self.load(failed);
                    while let Some(new) = change(old) {
                        match self.compare_exchange(old, new, done, failed) {
                            Ok(old) => return Ok(old),
                            Err(now) => old = now,
                        }
                    }
                    Err(old)
                }
            }
        )*};
    }

    macro_rules! arithmetic {
        ($($name:ident: $int:ty;)*) => {$(
            impl $name {
                methods! { $int:
                    fetch_add(value: $int, order: Ordering) -> $int;
                    fetch_sub(value: $int, order: Ordering) -> $int;
                    fetch_max(value: $int, order: Ordering) -> $int;
                    fetch_min(value: $int, order: Ordering) -> $int;
                }
            }
        )*};
    }

    atomics! {
        AtomicBool: bool;
        AtomicI64: i64;
        AtomicU8: u8;
        AtomicU16: u16;
        AtomicU32: u32;
        AtomicU64: u64;
        AtomicUsize: usize;
    }

    arithmetic! {
        AtomicI64: i64;
        AtomicU8: u8;
        AtomicU16: u16;
        AtomicU32: u32;
        AtomicU64: u64;
        AtomicUsize: usize;
    }
}
