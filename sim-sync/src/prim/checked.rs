//! `parking_lot`'s locks over a model checker's mutex and condition variable.
//!
//! Who may have the lock is decided by [`Turns`]; what it protects is in a native lock, which is
//! free whenever it is tried.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

#[cfg(feature = "loom")]
use super::loom as checker;
#[cfg(feature = "shuttle")]
use super::shuttle as checker;

const FREE_WHEN_GRANTED: &str = "granted-locks-are-free";

#[derive(Debug, Default)]
struct Holders {
    readers: u32,
    writer: bool,
}

/// Who has a lock.
struct Turns {
    holders: checker::Mutex<Holders>,
    changed: checker::Condvar,
}

impl Turns {
    fn new() -> Self {
        Self {
            holders: checker::Mutex::new(Holders::default()),
            changed: checker::Condvar::new(),
        }
    }

    fn holders(&self) -> checker::MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, free: impl Fn(&Holders) -> bool) -> checker::MutexGuard<'_, Holders> {
        let mut holders = self.holders();
        while !free(&holders) {
            holders = self
                .changed
                .wait(holders)
                .unwrap_or_else(PoisonError::into_inner);
        }
        holders
    }

    fn read(&self) {
        self.wait_until(|it| !it.writer).readers += 1;
    }

    fn write(&self) {
        self.wait_until(|it| !it.writer && it.readers == 0).writer = true;
    }

    fn try_read(&self) -> bool {
        let mut holders = self.holders();
        let free = !holders.writer;
        holders.readers += u32::from(free);
        free
    }

    fn try_write(&self) -> bool {
        let mut holders = self.holders();
        let free = !holders.writer && holders.readers == 0;
        holders.writer |= free;
        free
    }

    fn end_read(&self) {
        self.holders().readers -= 1;
        self.changed.notify_all();
    }

    fn end_write(&self) {
        self.holders().writer = false;
        self.changed.notify_all();
    }

    fn downgrade(&self) {
        let mut holders = self.holders();
        holders.writer = false;
        holders.readers += 1;
        drop(holders);
        self.changed.notify_all();
    }
}

/// `parking_lot::RwLock`.
pub struct RwLock<T> {
    turns: Turns,
    inner: parking_lot::RwLock<T>,
}

/// `parking_lot::RwLockReadGuard`.
#[derive(Debug)]
pub struct RwLockReadGuard<'a, T> {
    // Gone before the turn ends.
    inner: parking_lot::RwLockReadGuard<'a, T>,
    _turn: ReadTurn<'a>,
}

/// `parking_lot::RwLockWriteGuard`.
#[derive(Debug)]
pub struct RwLockWriteGuard<'a, T> {
    // Gone before the turn ends.
    inner: parking_lot::RwLockWriteGuard<'a, T>,
    turn: WriteTurn<'a>,
}

struct ReadTurn<'a>(&'a Turns);

impl Drop for ReadTurn<'_> {
    fn drop(&mut self) {
        self.0.end_read();
    }
}

struct WriteTurn<'a>(Option<&'a Turns>);

impl Drop for WriteTurn<'_> {
    fn drop(&mut self) {
        if let Some(turns) = self.0 {
            turns.end_write();
        }
    }
}

impl fmt::Debug for ReadTurn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadTurn")
    }
}

impl fmt::Debug for WriteTurn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteTurn")
    }
}

impl<T> RwLock<T> {
    /// As `parking_lot`'s.
    pub fn new(inner: T) -> Self {
        Self {
            turns: Turns::new(),
            inner: parking_lot::RwLock::new(inner),
        }
    }

    fn reader(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard {
            inner: self.inner.try_read().expect(FREE_WHEN_GRANTED),
            _turn: ReadTurn(&self.turns),
        }
    }

    fn writer(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard {
            inner: self.inner.try_write().expect(FREE_WHEN_GRANTED),
            turn: WriteTurn(Some(&self.turns)),
        }
    }

    /// As `parking_lot`'s.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.turns.read();
        self.reader()
    }

    /// As `parking_lot`'s: writers that wait do not keep readers out here anyway.
    pub fn read_recursive(&self) -> RwLockReadGuard<'_, T> {
        self.read()
    }

    /// As `parking_lot`'s.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.turns.try_read().then(|| self.reader())
    }

    /// As `parking_lot`'s.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.turns.write();
        self.writer()
    }

    /// As `parking_lot`'s.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.turns.try_write().then(|| self.writer())
    }

    /// As `parking_lot`'s.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<'a, T> RwLockWriteGuard<'a, T> {
    /// As `parking_lot`'s.
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let Self { inner, mut turn } = guard;
        let inner = parking_lot::RwLockWriteGuard::downgrade(inner);
        let turns = turn.0.take().expect("ended once");
        turns.downgrade();
        RwLockReadGuard {
            inner,
            _turn: ReadTurn(turns),
        }
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// `parking_lot::Mutex`.
pub struct Mutex<T>(RwLock<T>);

/// `parking_lot::MutexGuard`.
#[derive(Debug)]
pub struct MutexGuard<'a, T>(RwLockWriteGuard<'a, T>);

impl<T> Mutex<T> {
    /// As `parking_lot`'s.
    pub fn new(inner: T) -> Self {
        Self(RwLock::new(inner))
    }

    /// As `parking_lot`'s.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(self.0.write())
    }

    /// As `parking_lot`'s.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_write().map(MutexGuard)
    }

    /// As `parking_lot`'s.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
