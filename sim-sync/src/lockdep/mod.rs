//! Checks at run time that locks are taken in order (as `kernel/locking/lockdep.c` does): in builds
//! with debug assertions, each thread knows what it has, and all together remember what was ever
//! taken within what. A violation panics with the name of the invariant.
//!
//! The order is the one of [`Class`]; it is shown in docs/concurrency.md. Under a model checker
//! nothing is checked here, since its threads are all in one.

mod classes;
mod held;
mod rules;

pub use classes::{Class, LockClass, Nesting, class};
pub use held::{Held, acquired, check, pairs, waits};
pub use rules::{Graph, Lock, Mode, Violation};
