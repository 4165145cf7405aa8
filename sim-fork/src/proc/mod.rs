//! What `/proc/PID` shows: snapshots, maps, smaps, pagemap, clear_refs, and dumps.

mod clear_refs;
mod dump;
mod maps;
mod memory;
mod pagemap;
mod smaps;
mod smaps_text;
mod snapshot;
mod tables;

pub(crate) use self::clear_refs::clear_refs;
pub use self::dump::DumpKind;
pub(crate) use self::dump::dump;
pub(crate) use self::snapshot::snapshot;
