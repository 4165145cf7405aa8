//! Lookups without a lock.

use std::fmt::Debug;

use crate::VirtAddr;

use super::Entry;

/// The store is being changed: an answer needs mmap_lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changing;

/// A handle for lookups that take no lock, while another thread may be changing the store
/// (`mm/mmap_lock.c: lock_vma_under_rcu()` looks into the maple tree like that, 6.18).
///
/// An answer is the state of the store at one moment of the call: before or after each
/// [bracketed change](super::VmaStore::begin_change), never within one. The VMA may be gone by the
/// time that the caller looks at it.
pub trait StoreReader: Clone + Send + Sync + Debug + 'static {
    /// The entry that contains `addr`.
    ///
    /// # Errors
    /// If the store is being changed, so that the caller has to take mmap_lock.
    fn get(&self, addr: VirtAddr) -> Result<Option<Entry>, Changing>;
}

/// The reader of stores that cannot be read without a lock: it always says [`Changing`].
#[derive(Clone, Copy, Debug)]
pub struct LockedReader;

impl StoreReader for LockedReader {
    fn get(&self, _addr: VirtAddr) -> Result<Option<Entry>, Changing> {
        Err(Changing)
    }
}
