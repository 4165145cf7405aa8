//! Locks that know their kind, so that the order in which they are taken can be checked.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::lockdep::{self, Held, LockClass, Mode};
use crate::prim;

/// A mutex of the kind `C`.
pub struct Mutex<T, C> {
    inner: prim::Mutex<T>,
    class: PhantomData<fn() -> C>,
}

/// A [`Mutex`], held.
pub struct MutexGuard<'a, T, C> {
    // Let go before the note of it.
    inner: prim::MutexGuard<'a, T>,
    _held: Held,
    class: PhantomData<fn() -> C>,
}

impl<T, C: LockClass> Mutex<T, C> {
    /// One that nobody has.
    pub fn new(inner: T) -> Self {
        Self {
            inner: prim::Mutex::new(inner),
            class: PhantomData,
        }
    }

    /// Waits for it.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T, C> {
        lockdep::waits(C::CLASS, Mode::Write);
        MutexGuard {
            inner: self.inner.lock(),
            _held: lockdep::acquired(C::CLASS, Mode::Write),
            class: PhantomData,
        }
    }

    /// Takes it if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, C>> {
        let inner = self.inner.try_lock()?;
        Some(MutexGuard {
            inner,
            _held: lockdep::acquired(C::CLASS, Mode::Write),
            class: PhantomData,
        })
    }

    /// What it protects, since nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<T, C> Deref for MutexGuard<'_, T, C> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T, C> DerefMut for MutexGuard<'_, T, C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: Default, C: LockClass> Default for Mutex<T, C> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug, C> fmt::Debug for Mutex<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: fmt::Debug, C> fmt::Debug for MutexGuard<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A reader-writer lock of the kind `C`.
pub struct RwLock<T, C> {
    inner: prim::RwLock<T>,
    class: PhantomData<fn() -> C>,
}

/// A [`RwLock`], held for reading.
pub struct RwLockReadGuard<'a, T> {
    // Let go before the note of it.
    inner: prim::RwLockReadGuard<'a, T>,
    _held: Held,
}

/// A [`RwLock`], held for writing.
pub struct RwLockWriteGuard<'a, T> {
    // Let go before the note of it.
    inner: prim::RwLockWriteGuard<'a, T>,
    _held: Held,
}

impl<T, C: LockClass> RwLock<T, C> {
    /// One that nobody has.
    pub fn new(inner: T) -> Self {
        Self {
            inner: prim::RwLock::new(inner),
            class: PhantomData,
        }
    }

    /// Waits until nobody writes.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        lockdep::waits(C::CLASS, Mode::Read);
        RwLockReadGuard {
            inner: self.inner.read(),
            _held: lockdep::acquired(C::CLASS, Mode::Read),
        }
    }

    /// Waits until nobody reads or writes.
    #[inline]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        lockdep::waits(C::CLASS, Mode::Write);
        RwLockWriteGuard {
            inner: self.inner.write(),
            _held: lockdep::acquired(C::CLASS, Mode::Write),
        }
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: fmt::Debug, C> fmt::Debug for RwLock<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: Default, C: LockClass> Default for RwLock<T, C> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
