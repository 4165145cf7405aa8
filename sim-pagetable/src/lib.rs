//! Simulated physical frames and 4-level page tables of x86_64 and arm64.
//!
//! ```text
//!  PageTables<A>          one address space: root, counters, walks, range operations
//!     |  entries are Entry<A>: the 64 bits that the hardware or Linux would have there
//!     v
//!  Frames                 physical memory: frame metadata, the allocator, the arena of tables
//! ```
//!
//! - [`Arch`] is a format: [`X86_64`], [`X86_64NoSoftDirty`], [`Arm64`]. [`Entry`] gives its bits
//!   names, [`EntryView`] decodes an entry into an enum.
//! - [`Frames`] owns the frames *and* the memory of all page tables. Tables have frame numbers of
//!   their own, from [`Pfn::TABLE_BASE`], so that a table is found from an entry without a search;
//!   they count against RAM like any frame.
//! - Everything takes `&self`: entries and frame metadata are atomics. Whoever changes an entry
//!   holds the lock of the table it is in; [`PteTable`] and [`PmdSlot`] are such locks held.
//!   [`Frames::set_concurrent`] says whether locks and atomic read-modify-write are needed.
//!
//! This crate knows nothing of VMAs, processes or policy: which pages to share, count or free is
//! decided by its user.

mod addr;
pub mod arch;
mod entry;
mod flush;
mod frames;
mod tables;

pub use addr::{HUGE_PAGES, HUGE_SIZE, Level, PAGE_SIZE, Pfn, Va, VaRange};
pub use arch::{Access, Arch, Arm64, PageProt, PageSize, Sharing, X86_64, X86_64NoSoftDirty};
pub use entry::{
    DeviceKind, Entry, EntryView, Marker, MigrationEntry, MigrationKind, PresentEntry, SwapEntry,
    SwapSlot,
};
pub use flush::{Flush, FlushStats};
pub use frames::{
    AllocGate, AllowAll, FrameFlags, FrameInfo, FrameMeta, Frames, FramesInvariant, NoMemory,
    Release, Sharer,
};
pub use tables::{
    CopyError, CopyRun, Detached, Dump, Leaf, MoveRequest, MoveStopped, PageTables, PmdSlot,
    PteSlot, PteTable, Run, TableCounts, TablesInvariant,
};
