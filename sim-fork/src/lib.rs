//! The simulated machine: processes, page faults, copy-on-write, fork, guard regions, huge pages,
//! page cache, swap, userfaultfd, the `/proc` views.
//!
//! ```text
//!   Machine ─ processes ─▶ Process ─▶ AddressSpace ┬ mm: RwLock<Mm>     (sim-core)
//!      │                                           └ pages: page tables (sim-pagetable), rss
//!      └ Shared: frames, files and page cache, swap, anon_vmas, settings
//! ```
//!
//! [`Machine::run`](sim_core::Concurrent::run) takes a [`Call`](sim_core::Call) to the function that runs it
//! (`dispatch.rs`). A `Pager` is one address space's pages together with [`Shared`]; faults,
//! unmapping, fork and [`PageOps`](sim_core::PageOps) are methods on it. One operation is one file.
//!
//! Locks, outer to inner: an address space's `mm`, an object's pages, a page table. An object's
//! lock is not held while page tables are changed.

mod access;
mod device;
mod dispatch;
mod error;
mod exec;
mod exit;
mod fault;
mod file;
mod folio;
mod fork;
mod guard;
mod invariants;
mod lock;
mod lru;
mod machine;
mod madvise;
mod pageops;
mod pager;
mod populate;
mod proc;
mod process;
mod reclaim;
mod row;
mod rss;
mod shared;
mod space;
mod swap;
#[cfg(test)]
mod tests;
mod thp;
mod uffd;
mod va;

pub use device::Devices;
pub use file::{CachedPage, FileObject, FileState, Files, Lookup};
pub use invariants::Broken;
pub use machine::{Machine, SimBackend, new_machine, new_machine_with_store};
pub use proc::DumpKind;
pub use process::Process;
pub use rss::{Rss, RssKind};
pub use shared::Shared;
pub use space::{AddressSpace, SpacePages};
pub use swap::{Swap, SwapId, SwapPage};
pub use thp::Khugepaged;
