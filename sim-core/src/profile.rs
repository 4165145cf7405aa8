//! Behaviour profiles: what changed between kernel versions, as data.
//!
//! Code asks for a feature, never for a version.

use std::fmt;
use std::str::FromStr;

/// Which flags make fork copy page tables, and whose (`vma_needs_copy()`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CopyOnFork {
    /// Before the guard-flag series: `PFNMAP`/`MIXEDMAP` of the source VMA, or userfaultfd write
    /// protection of the child's.
    Legacy,
    /// The series' first version: the same, or `MAYBE_GUARD` of the source VMA.
    Guard,
    /// As first merged: `PFNMAP`, `MIXEDMAP`, `UFFD_WP` or `MAYBE_GUARD` of the source VMA.
    Source,
    /// As released in 6.19: the same flags of the child's VMA.
    Child,
}

impl CopyOnFork {
    /// Every variant with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("legacy", Self::Legacy),
        ("guard", Self::Guard),
        ("source", Self::Source),
        ("child", Self::Child),
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Guard => "guard",
            Self::Source => "source",
            Self::Child => "child",
        }
    }
}

/// The behaviours that differ between kernel versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Features {
    /// An unfaulted VMA may absorb a faulted neighbour (6.16).
    pub merge_unfaulted_target: bool,
    /// A fixed move of equal size carries every VMA in the range (6.17).
    pub multi_vma_mremap: bool,
    /// Guard install marks the VMA `MAYBE_GUARD` and gives a file mapping no `anon_vma` (6.19).
    pub maybe_guard: bool,
    /// A sticky flag in one VMA neither stops a merge nor gets lost in it (6.19).
    pub sticky_flags: bool,
    /// `SOFTDIRTY` is sticky too, instead of merely ignored (6.19).
    pub softdirty_sticky: bool,
    /// `vma_modify_flags()` reports the sticky flags that the merge added (6.19).
    pub modify_keeps_sticky: bool,
    /// Which flags make fork copy page tables (6.19: `Child`).
    pub copy_on_fork: CopyOnFork,
    /// Guard install needs only a read lock, since its flag is set atomically (6.19).
    pub atomic_flags: bool,
    /// That read lock is the VMA's, not the mm's (6.19).
    pub guard_vma_lock: bool,
    /// Collapsing a file mapping leaves page tables with guard markers alone (6.19).
    pub collapse_checks_guard: bool,
    /// Merging a moved VMA checks its source's fork state and clones its `anon_vma` (6.19).
    pub mremap_source_anon_vma: bool,
    /// `UFFDIO_COPY` onto a guard page fails with `EEXIST` (6.19).
    pub uffd_copy_keeps_guard: bool,
    /// A block without PTE table no longer ends `MADV_COLLAPSE` of the blocks after it (6.19).
    pub collapse_skips_empty: bool,
    /// `MADV_COLLAPSE` writes dirty pages of a file back and tries again, khugepaged leaves them
    /// alone; without it, either starts to write the whole file back and fails (after 6.19; in no
    /// profile).
    pub collapse_writes_back: bool,
    /// mprotect treats entries in a row that map pages of one huge page as one: they share what they
    /// know of accesses and writes (6.17).
    pub mprotect_rows: bool,
    /// A call that changes a VMA reads its flags before it locks the VMA for writing, so that a
    /// guard installed in between under the VMA's lock leaves no flag (6.19 as it is written; in no
    /// profile).
    pub stale_vma_flags: bool,
}

/// The kernels that vmsim behaves as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Profile {
    /// Linux 6.15.
    V6_15,
    /// Linux 6.16.
    V6_16,
    /// Linux 6.17.
    V6_17,
    /// Linux 6.18 as released.
    V6_18,
    /// Linux 6.18 stable with the guard-flag series backported (6.18.44).
    V6_18Stable,
    /// Linux 6.19.
    #[default]
    V6_19,
}

impl Profile {
    /// Every profile, oldest first.
    pub const ALL: &'static [Self] = &[
        Self::V6_15,
        Self::V6_16,
        Self::V6_17,
        Self::V6_18,
        Self::V6_18Stable,
        Self::V6_19,
    ];

    /// Its name in scenarios and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V6_15 => "6.15",
            Self::V6_16 => "6.16",
            Self::V6_17 => "6.17",
            Self::V6_18 => "6.18",
            Self::V6_18Stable => "6.18-stable",
            Self::V6_19 => "6.19",
        }
    }

    /// What that kernel does.
    pub const fn features(self) -> Features {
        const V6_15: Features = Features {
            merge_unfaulted_target: false,
            multi_vma_mremap: false,
            maybe_guard: false,
            sticky_flags: false,
            softdirty_sticky: false,
            modify_keeps_sticky: false,
            copy_on_fork: CopyOnFork::Legacy,
            atomic_flags: false,
            guard_vma_lock: false,
            collapse_checks_guard: false,
            mremap_source_anon_vma: false,
            uffd_copy_keeps_guard: false,
            collapse_skips_empty: false,
            collapse_writes_back: false,
            mprotect_rows: false,
            stale_vma_flags: false,
        };
        const V6_16: Features = Features {
            merge_unfaulted_target: true,
            ..V6_15
        };
        const V6_17: Features = Features {
            multi_vma_mremap: true,
            mprotect_rows: true,
            ..V6_16
        };
        const V6_18_STABLE: Features = Features {
            maybe_guard: true,
            sticky_flags: true,
            softdirty_sticky: true,
            modify_keeps_sticky: true,
            copy_on_fork: CopyOnFork::Child,
            atomic_flags: true,
            collapse_checks_guard: true,
            mremap_source_anon_vma: true,
            ..V6_17
        };
        match self {
            Self::V6_15 => V6_15,
            Self::V6_16 => V6_16,
            Self::V6_17 | Self::V6_18 => V6_17,
            Self::V6_18Stable => V6_18_STABLE,
            Self::V6_19 => Features {
                guard_vma_lock: true,
                uffd_copy_keeps_guard: true,
                collapse_skips_empty: true,
                ..V6_18_STABLE
            },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|p| p.name() == name)
            .ok_or(())
    }
}
