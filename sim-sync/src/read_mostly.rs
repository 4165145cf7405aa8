//! A value that many threads read at once and few change.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use crate::Sharded;
use crate::lockdep::{self, Held, LockClass, Mode};
use crate::prim::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A reader-writer lock whose readers do not disturb each other (as Linux's per-CPU
/// reader-writer semaphores); a writer locks out all of them, one after the other.
///
/// A thread may lock it for reading more than once, but not for writing while it reads.
pub struct ReadMostly<T, C> {
    /// The same value behind each lock; `None` only while a writer has all of them.
    shards: Sharded<RwLock<Option<Arc<T>>>>,
    class: PhantomData<fn() -> C>,
}

/// The value, locked for reading.
#[derive(Debug)]
pub struct ReadMostlyGuard<'a, T> {
    guard: RwLockReadGuard<'a, Option<Arc<T>>>,
    _held: Held,
}

impl<T, C: LockClass> ReadMostly<T, C> {
    /// A value that nobody reads yet.
    pub fn new(value: T) -> Self {
        let value = Arc::new(value);
        Self {
            shards: Sharded::from_fn(|| RwLock::new(Some(Arc::clone(&value)))),
            class: PhantomData,
        }
    }

    /// Locks for reading; not held up by waiting writers if this thread reads already.
    pub fn read(&self) -> ReadMostlyGuard<'_, T> {
        lockdep::waits(C::CLASS, Mode::ReadAgain);
        ReadMostlyGuard {
            guard: self.shards.mine().read_recursive(),
            _held: lockdep::acquired(C::CLASS, Mode::Read),
        }
    }

    /// Counts as locked for reading as long as the result lives, for who has the value alone: that
    /// is as good as the lock.
    pub fn is_mine(&mut self) -> Held {
        lockdep::waits(C::CLASS, Mode::ReadAgain);
        lockdep::acquired(C::CLASS, Mode::Read)
    }

    /// Changes the value with all readers locked out.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        lockdep::waits(C::CLASS, Mode::Write);
        let mut locked: Vec<RwLockWriteGuard<'_, _>> =
            self.shards.iter().map(RwLock::write).collect();
        let copies = locked.iter_mut().filter_map(|shard| shard.take());
        let mut value = copies.last().expect("no other writer");
        let result = change(Arc::get_mut(&mut value).expect("no reader has it"));
        for shard in &mut locked {
            **shard = Some(Arc::clone(&value));
        }
        result
    }
}

impl<T> Deref for ReadMostlyGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("writers leave a value behind")
    }
}

impl<T: fmt::Debug, C: LockClass> fmt::Debug for ReadMostly<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadMostly").field(&*self.read()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_whole_changes() {
        let pair: ReadMostly<_, crate::class::Processes> = ReadMostly::new((0, 0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let outer = pair.read();
                        assert_eq!(outer.0, outer.1);
                        assert_eq!(*pair.read(), *outer, "a reader keeps writers out");
                    }
                });
            }
            for n in 1..=1000 {
                pair.update(|(a, b)| (*a, *b) = (n, n));
            }
        });
        assert_eq!(*pair.read(), (1000, 1000));
    }
}
