//! mmap_lock (`include/linux/mmap_lock.h`, 6.19).

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::lockdep::{self, Class, Held, Mode};
use crate::prim::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::tally::{self, Counted};

/// What mmap_lock protects.
pub trait WriteSection {
    /// The lock is about to be let go or downgraded: unlocks the VMAs that were locked for writing
    /// (`vma_end_write_all()`).
    fn end_write(&mut self);
}

/// The lock of an address space, with the address space in it.
///
/// It is not fair between address spaces: who holds one for reading may take another one for
/// reading through [`read_recursive`](Self::read_recursive) only.
pub struct MmapLock<T> {
    lock: RwLock<T>,
}

/// mmap_lock held for reading.
#[derive(Debug)]
pub struct MmapRead<'a, T> {
    guard: RwLockReadGuard<'a, T>,
    _held: Held,
}

/// mmap_lock held for writing. VMAs that are locked for writing stay so until it is let go.
#[derive(Debug)]
pub struct MmapWrite<'a, T: WriteSection> {
    /// `None` once it was downgraded.
    guard: Option<(RwLockWriteGuard<'a, T>, Held)>,
}

impl<T: WriteSection> MmapLock<T> {
    /// An address space that nobody has locked.
    pub fn new(inner: T) -> Self {
        Self {
            lock: RwLock::new(inner),
        }
    }

    /// `mmap_read_lock()`.
    pub fn read(&self) -> MmapRead<'_, T> {
        tally::count(Counted::MmapRead);
        lockdep::waits(Class::Mmap, Mode::Read);
        MmapRead {
            guard: self.lock.read(),
            _held: lockdep::acquired(Class::Mmap, Mode::Read),
        }
    }

    /// The same by a thread that may hold this lock, or another address space's, for reading.
    pub fn read_recursive(&self) -> MmapRead<'_, T> {
        tally::count(Counted::MmapRead);
        lockdep::waits(Class::Mmap, Mode::ReadAgain);
        MmapRead {
            guard: self.lock.read_recursive(),
            _held: lockdep::acquired(Class::Mmap, Mode::Read),
        }
    }

    /// `mmap_read_trylock()`.
    pub fn try_read(&self) -> Option<MmapRead<'_, T>> {
        let guard = self.lock.try_read()?;
        Some(MmapRead {
            guard,
            _held: lockdep::acquired(Class::Mmap, Mode::Read),
        })
    }

    /// `mmap_write_lock()`.
    pub fn write(&self) -> MmapWrite<'_, T> {
        tally::count(Counted::MmapWrite);
        lockdep::waits(Class::Mmap, Mode::Write);
        let guard = self.lock.write();
        let held = lockdep::acquired(Class::Mmap, Mode::Write);
        MmapWrite {
            guard: Some((guard, held)),
        }
    }
}

impl<'a, T: WriteSection> MmapWrite<'a, T> {
    /// Lets readers in without letting writers in between (`mmap_write_downgrade()`).
    pub fn downgrade(mut self) -> MmapRead<'a, T> {
        let (mut guard, held) = self.guard.take().expect("held until it is dropped");
        guard.end_write();
        MmapRead {
            guard: RwLockWriteGuard::downgrade(guard),
            _held: held.downgrade(),
        }
    }
}

impl<T: WriteSection> Drop for MmapWrite<'_, T> {
    fn drop(&mut self) {
        if let Some((guard, _)) = &mut self.guard {
            guard.end_write();
        }
    }
}

impl<T> Deref for MmapRead<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: WriteSection> Deref for MmapWrite<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard.as_ref().expect("held until it is dropped").0
    }
}

impl<T: WriteSection> DerefMut for MmapWrite<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard.as_mut().expect("held until it is dropped").0
    }
}

impl<T: fmt::Debug> fmt::Debug for MmapLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sections(u32);

    impl WriteSection for Sections {
        fn end_write(&mut self) {
            self.0 += 1;
        }
    }

    #[test]
    fn a_write_section_ends_once() {
        let lock = MmapLock::new(Sections(0));
        drop(lock.write());
        assert_eq!(lock.read().0, 1);
        let read = lock.write().downgrade();
        assert_eq!(read.0, 2);
        assert!(lock.try_read().is_some(), "readers share");
        drop(read);
        assert_eq!(lock.read().0, 2);
    }
}
