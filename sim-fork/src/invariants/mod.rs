//! What must always hold of a machine, recomputed from the definitions.
//!
//! Counts of references and mappings, resident counters and page tables are counted afresh from
//! all page tables, page caches and swap, with no help of the code that keeps them.

mod count;

use std::collections::BTreeMap;
use std::fmt;

use sim_core::store::VmaStore;
use sim_pagetable::{Arch, FrameInfo, FramesInvariant, Pfn, TablesInvariant};

use self::count::Counted;
use crate::machine::Machine;
use crate::rss::RssKind;

/// A broken invariant of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Of physical memory alone.
    Frames(FramesInvariant),
    /// Of an address space's page tables alone.
    Tables(TablesInvariant),
    /// A frame's references or mappings are not what counting gives.
    Frame {
        /// The frame.
        pfn: Pfn,
        /// Its metadata.
        info: FrameInfo,
        /// What counting gives.
        counted: Counted,
    },
    /// A page that several entries map is marked exclusive.
    Exclusive(Pfn),
    /// A resident counter is wrong.
    Rss {
        /// The address space.
        space: u32,
        /// Which counter.
        kind: RssKind,
        /// What it says.
        counter: i64,
        /// What counting gives.
        counted: i64,
    },
    /// An entry lies in no VMA.
    Stray {
        /// The address space.
        space: u32,
        /// Its address.
        address: u64,
    },
    /// Locks were taken in a forbidden order.
    Locks(sim_sync::lockdep::Violation),
    /// A guard lies in a VMA without `MAYBE_GUARD`.
    UnflaggedGuard {
        /// The address space.
        space: u32,
        /// Its address.
        address: u64,
    },
    /// A place in swap has another number of references than counting gives.
    Swap {
        /// The place.
        offset: u64,
        /// What it says.
        refs: u32,
        /// What counting gives.
        counted: u32,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(broken) => write!(f, "frames: {broken}"),
            Self::Tables(broken) => write!(f, "page tables: {broken}"),
            Self::Frame { pfn, info, counted } => {
                write!(f, "frame_counts: {pfn:?} has {info:?}, counted {counted:?}")
            }
            Self::Exclusive(pfn) => {
                write!(
                    f,
                    "exclusive_once: {pfn:?} is exclusive but mapped more than once"
                )
            }
            Self::Rss {
                space,
                kind,
                counter,
                counted,
            } => write!(
                f,
                "rss: address space {space} counts {counter} {kind:?} pages, there are {counted}"
            ),
            Self::Stray { space, address } => {
                write!(
                    f,
                    "entries_in_vmas: address space {space} has one at {address:#x}"
                )
            }
            Self::Locks(violation) => violation.fmt(f),
            Self::UnflaggedGuard { space, address } => {
                write!(
                    f,
                    "guards_have_flags: address space {space} has one at {address:#x}"
                )
            }
            Self::Swap {
                offset,
                refs,
                counted,
            } => write!(f, "swap_refs: place {offset} has {refs}, counted {counted}"),
        }
    }
}

impl std::error::Error for Broken {}

/// Checks everything.
///
/// # Errors
/// The first invariant that does not hold.
///
/// # Panics
/// With the invariant's name if one of an address space's VMAs does not hold.
pub(crate) fn check<A: Arch, S: VmaStore>(machine: &Machine<A, S>) -> Result<(), Broken> {
    sim_sync::lockdep::check().map_err(Broken::Locks)?;
    let shared = machine.shared();
    shared.frames.check_invariants().map_err(Broken::Frames)?;
    let mut counts = BTreeMap::new();
    let mut swap = BTreeMap::new();
    for space in machine.spaces() {
        space.mm.read().check_invariants();
        let tables = &space.pages.tables;
        tables.check_invariants().map_err(Broken::Tables)?;
        count::space(&space, &mut counts, &mut swap)?;
    }
    count::caches(shared, &mut counts, &mut swap);
    count::compare_frames(shared, &counts)?;
    count::compare_swap(shared, &swap)
}
