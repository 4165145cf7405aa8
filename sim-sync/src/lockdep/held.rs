//! What each thread has.

pub use imp::{Held, acquired, check, pairs, waits};

#[cfg(all(debug_assertions, not(any(feature = "loom", feature = "shuttle"))))]
mod imp {
    use std::cell::RefCell;
    use std::sync::OnceLock;

    use super::super::{Class, Graph, Lock, Mode, Violation};

    static GRAPH: Graph = Graph::new();
    static BROKEN: OnceLock<Violation> = OnceLock::new();

    thread_local! {
        static HELD: RefCell<Vec<Lock>> = const { RefCell::new(Vec::new()) };
    }

    /// Says that this thread has a lock, for as long as it lives.
    #[derive(Debug)]
    #[must_use]
    pub struct Held(Lock);

    /// This thread is about to wait for a lock.
    ///
    /// # Panics
    /// With the invariant's name if it must not.
    #[track_caller]
    pub fn waits(class: Class, mode: Mode) {
        let taken = HELD.with_borrow(|held| GRAPH.take(held, Lock { class, mode }));
        if let Err(violation) = taken {
            let _ = BROKEN.set(violation);
            // The message of a second panic would abort the program.
            assert!(std::thread::panicking(), "{violation}");
        }
    }

    /// This thread has got a lock, whether or not it waited.
    pub fn acquired(class: Class, mode: Mode) -> Held {
        let lock = Lock { class, mode };
        HELD.with_borrow_mut(|held| held.push(lock));
        Held(lock)
    }

    impl Drop for Held {
        fn drop(&mut self) {
            // A guard may be let go by another thread's end, when there is no list any more.
            let _ = HELD.try_with(|held| {
                let mut held = held.borrow_mut();
                if let Some(at) = held.iter().rposition(|lock| *lock == self.0) {
                    held.remove(at);
                }
            });
        }
    }

    impl Held {
        /// A lock held for writing is held for reading now.
        pub fn downgrade(self) -> Self {
            let class = self.0.class;
            drop(self);
            acquired(class, Mode::Read)
        }
    }

    /// Was a rule broken since the program began?
    ///
    /// # Errors
    /// The first one.
    pub fn check() -> Result<(), Violation> {
        BROKEN.get().map_or(Ok(()), |violation| Err(*violation))
    }

    /// Which kinds of lock were taken within which so far.
    pub fn pairs() -> Vec<(Class, Class)> {
        GRAPH.pairs()
    }
}

#[cfg(not(all(debug_assertions, not(any(feature = "loom", feature = "shuttle")))))]
mod imp {
    use super::super::{Class, Mode, Violation};

    /// Nothing: locks are not checked in this build.
    #[derive(Debug)]
    #[must_use]
    pub struct Held;

    /// Nothing.
    #[inline]
    pub const fn waits(_: Class, _: Mode) {}

    /// Nothing.
    #[inline]
    pub const fn acquired(_: Class, _: Mode) -> Held {
        Held
    }

    impl Held {
        /// Nothing.
        #[inline]
        pub const fn downgrade(self) -> Self {
            self
        }
    }

    /// Nothing is known to be broken.
    ///
    /// # Errors
    /// Never.
    #[inline]
    pub const fn check() -> Result<(), Violation> {
        Ok(())
    }

    /// Nothing is remembered.
    pub const fn pairs() -> Vec<(Class, Class)> {
        Vec::new()
    }
}
