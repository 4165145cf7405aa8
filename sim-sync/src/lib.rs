//! The locks of vmsim, and what they are made of.
//!
//! | Linux | here |
//! | --- | --- |
//! | `mmap_lock` (`include/linux/mmap_lock.h`) | [`MmapLock`] |
//! | `mm->mm_lock_seq` | [`MmSeq`] |
//! | `seqcount_t` (`include/linux/seqlock.h`) | [`SeqCount`] |
//! | `vma->vm_refcnt`, `vma->vm_lock_seq` | [`VmaLock`] |
//! | `percpu_rw_semaphore` | [`ReadMostly`] |
//! | per-CPU variables | [`Sharded`] |
//!
//! All other locks of the engine are a [`Mutex`] or [`RwLock`] of a [`class`], so that [`lockdep`] can
//! check their order; they and the atomics are made of [`prim`], so that they can be exchanged.

mod chunked;
mod classed;
#[cfg(any(feature = "loom", feature = "shuttle"))]
mod failure;
pub mod lockdep;
mod mmap_lock;
mod mutant;
pub mod prim;
mod read_mostly;
mod seqcount;
mod sharded;
pub mod tally;
mod vma_lock;

pub use chunked::Chunked;
pub use classed::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(any(feature = "loom", feature = "shuttle"))]
pub use failure::failure;
pub use lockdep::class;
pub use mmap_lock::{MmapLock, MmapRead, MmapWrite, WriteSection};
pub use mutant::Mutant;
pub use read_mostly::{ReadMostly, ReadMostlyGuard};
pub use seqcount::{SeqCount, Stamp};
pub use sharded::Sharded;
pub use vma_lock::{MmSeq, VmaLock, VmaRead};
