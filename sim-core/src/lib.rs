//! Linux virtual memory areas in user space.
//!
//! This crate holds what every other part of vmsim speaks: addresses, flags, errors, the [`Call`]s
//! that a program can make, their [`Outcome`]s, and the [`Snapshot`] in which any two back ends are
//! compared. Beside that vocabulary it holds the VMA layer itself: [`Vma`]s in a [`store`], merging
//! as plan ([`plan_new_range`], [`plan_existing_range`]) and apply, the machine's [`AnonVmas`], and
//! the address-space operations, which are methods of [`Mm`].
//!
//! It knows neither page tables (those are behind [`PageOps`]), nor TOML, nor printing.

mod addr;
mod anon_vma;
mod backend;
mod call;
mod collapse;
mod detached;
mod errno;
mod event;
mod fail;
mod flags;
mod locks;
mod merge;
mod mm;
mod outcome;
mod pages;
mod profile;
mod setup;
mod snapshot;
pub mod store;
#[cfg(test)]
mod testing;
mod vma;
mod vma_arena;
mod vma_readers;

pub use addr::{
    Bytes, PAGE_SHIFT, PAGE_SIZE, PMD_PAGES, PMD_SHIFT, PMD_SIZE, PageCount, PageOffset, PageRange,
    VirtAddr,
};
pub use anon_vma::{AnonVmaView, AnonVmas};
pub use backend::{Backend, BackendError, Concurrent, SnapshotLevel};
pub use call::{
    Access, Advice, Call, MapFlags, MlockallFlags, MmapArgs, MremapArgs, MremapFlags, NewStack,
    Policy, Prot, SyscallRange, UffdCopySource, UffdMode,
};
pub use collapse::ScanResult;
pub use detached::Detached;
pub use errno::{Errno, Signal};
pub use event::{Event, EventLog};
pub use fail::{AllocKind, Commit, FailPoints};
pub use flags::{AtomicVmFlag, VmFlags};
pub use locks::{Lock, LockUse, locks_of};
pub use merge::{
    Attributes, Candidate, ExistingRange, MergeCase, MergeDecision, MergePlan, MergeReport,
    MergeScene, NewRange, Refusal, VmaView, plan_existing_range, plan_new_range,
};
pub use mm::{
    AdviceClass, AreaRequest, BrkFields, CopiedVma, Counters, DetachedVmas, Layout, LockRange,
    Mapped, Mm, MmConfig, MmShared, NewPart, NewRangeRequest, Uffd, UffdChange, admit_page_advice,
    advised_flags, check_madvise, classify_advice, vma_needs_copy,
};
pub use outcome::Outcome;
pub use pages::{
    ForkOps, FreeTables, MoveFailed, NoPages, PageOps, PrepareAnonVma, ProtectionChange, TableMove,
};
pub use profile::{CopyOnFork, Features, Profile};
pub use setup::{
    Arch, FileId, FileKind, FileSpec, Limits, LruBatches, MmuSetup, Pid, Setup, SwapDevice,
    ThpEnabled, ThpSetup, UffdFeatures,
};
pub use snapshot::{PageRun, PageState, Smaps, Snapshot, VmaSnapshot};
pub use vma::{AnonName, AnonVmaId, Backing, FileRef, MappedKind, UffdCtxId, Vma, VmaHooks};
pub use vma_arena::VmaGuard;
pub use vma_readers::VmaReaders;
