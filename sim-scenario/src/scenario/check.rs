//! What a `check` asserts.

use sim_core::{Bytes, VirtAddr, VmFlags};

use super::RangeExpr;
use crate::source::Placed;

/// What a `check` asserts; an empty one holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Check {
    /// VMAs that must exist exactly so.
    pub vmas: Vec<Placed<VmaLine>>,
    /// How many VMAs the process has.
    pub count: Option<Placed<u64>>,
    /// How many VMAs there are in a range.
    pub counts: Vec<Placed<(RangeExpr, u64)>>,
    /// Flags of every VMA of a range.
    pub flags: Vec<Placed<(RangeExpr, FlagTerms)>>,
    /// States of every page of a range.
    pub pages: Vec<Placed<(RangeExpr, PagePattern)>>,
    /// Counters of the VMAs of a range.
    pub smaps: Vec<Placed<(RangeExpr, CounterTerm)>>,
    /// The lines of maps, all of them.
    pub maps: Option<Placed<Vec<Placed<MapsLine>>>>,
    /// The back end's invariants hold.
    pub invariants: bool,
}

/// A line of `vmas`: what is not said may be anything.
#[derive(Clone, PartialEq, Debug)]
pub struct VmaLine {
    /// Where it starts, and how long it is unless `len` says so.
    pub at: RangeExpr,
    /// Its length.
    pub len: Option<Bytes>,
    /// Its permissions, as in maps.
    pub perms: Option<[u8; 4]>,
    /// Its file.
    pub file: FilePattern,
    /// Its offset in bytes.
    pub offset: Option<u64>,
    /// Its anonymous name; an empty one: it has none.
    pub label: Option<String>,
    /// Whether it has an `anon_vma`.
    pub anon_vma: Option<bool>,
    /// Its flags.
    pub flags: FlagTerms,
}

/// What a VMA's file must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilePattern {
    /// Anything.
    Any,
    /// None: private anonymous memory.
    None,
    /// The one with this name.
    Named(String),
}

/// What a VMA's flags must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlagTerms {
    /// Exactly these.
    pub exactly: Option<VmFlags>,
    /// These are set.
    pub set: VmFlags,
    /// These are not.
    pub clear: VmFlags,
}

/// What a page must be: one of these.
pub type PagePattern = Vec<PageTerm>;

/// A page state with qualifiers; what is not said may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageTerm {
    /// The state.
    pub kind: PageKind,
    /// Mapped exactly once.
    pub exclusive: Option<bool>,
    /// A page of a file or of shared memory.
    pub file: Option<bool>,
    /// Mapped by a PMD.
    pub huge: Option<bool>,
    /// Write-protected by userfaultfd.
    pub uffd_wp: Option<bool>,
    /// Soft-dirty.
    pub soft_dirty: Option<bool>,
}

/// The states of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// No entry of any kind.
    None,
    /// Mapped.
    Present,
    /// Swapped out.
    Swap,
    /// A guard marker.
    Guard,
    /// A poison marker.
    Poison,
    /// A userfaultfd write-protection marker.
    Marker,
    /// Being migrated.
    Migration,
}

impl PageKind {
    /// Every state with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("present", Self::Present),
        ("swap", Self::Swap),
        ("guard", Self::Guard),
        ("poison", Self::Poison),
        ("marker", Self::Marker),
        ("migration", Self::Migration),
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Present => "present",
            Self::Swap => "swap",
            Self::Guard => "guard",
            Self::Poison => "poison",
            Self::Marker => "marker",
            Self::Migration => "migration",
        }
    }
}

/// A counter of smaps and its value in kB, summed over the VMAs of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterTerm {
    /// Its name in smaps.
    pub counter: &'static str,
    /// Its value in kB.
    pub value: u64,
}

/// A line of `/proc/PID/maps`; device and inode are not compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapsLine {
    /// The first address.
    pub start: VirtAddr,
    /// The address after the last one.
    pub end: VirtAddr,
    /// The permissions.
    pub perms: [u8; 4],
    /// The offset in bytes.
    pub offset: u64,
    /// The last column: the file's name or the anonymous name; empty for neither.
    pub name: String,
}
