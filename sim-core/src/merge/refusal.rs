//! Why a merge did not happen.

use std::fmt;

use crate::VmFlags;

/// Why a VMA did not take part in a merge. [`id`](Self::id) is stable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// There is no VMA on that side, or a gap before it (`mm/vma.c: can_vma_merge_left()`,
    /// `can_vma_merge_right()`); or, changing a part of a VMA, the part does not reach that end
    /// (`vma_merge_existing_range()`).
    NotAdjacent,
    /// Its offset does not continue the range's (`can_vma_merge_before()`,
    /// `can_vma_merge_after()`).
    PgoffNotContiguous,
    /// Flags outside the ignored ones differ: these (`is_mergeable_vma()`).
    FlagsDiffer(VmFlags),
    /// Another object is mapped (`is_mergeable_vma()`).
    FileDiffers,
    /// The memory policies differ (`is_mergeable_vma()`).
    PolicyDiffers,
    /// The userfaultfd contexts differ (`is_mergeable_vma()`).
    UffdCtxDiffers,
    /// The anonymous names differ (`is_mergeable_vma()`).
    AnonNameDiffers,
    /// Both have an anon_vma, not the same (`is_mergeable_anon_vma()`,
    /// `can_vma_merge_right()`).
    AnonVmaDiffers,
    /// One has no anon_vma and the other's chain has more than one link
    /// (`is_mergeable_anon_vma()`). Before 6.16: the VMA that has none is the one that would grow.
    AnonVmaForked,
    /// The flags asked for have a special one (`VM_SPECIAL`): these.
    SpecialMapping(VmFlags),
    /// A VMA that would have to be removed has a `close` hook (`can_merge_remove_vma()`).
    CloseHook,
    /// The caller knows that nothing follows and only wants the VMA before to grow
    /// (`just_expand`).
    ExpandOnly,
    /// Memory for the change was short.
    NoMemory,
    /// The limit on the number of VMAs is reached (`sysctl_max_map_count`).
    MapCountLimit,
}

impl Refusal {
    /// Its stable identifier.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NotAdjacent => "not_adjacent",
            Self::PgoffNotContiguous => "pgoff_not_contiguous",
            Self::FlagsDiffer(_) => "flags_differ",
            Self::FileDiffers => "file_differs",
            Self::PolicyDiffers => "policy_differs",
            Self::UffdCtxDiffers => "uffd_ctx_differs",
            Self::AnonNameDiffers => "anon_name_differs",
            Self::AnonVmaDiffers => "anon_vma_differs",
            Self::AnonVmaForked => "anon_vma_forked",
            Self::SpecialMapping(_) => "special_mapping",
            Self::CloseHook => "close_hook",
            Self::ExpandOnly => "expand_only",
            Self::NoMemory => "no_memory",
            Self::MapCountLimit => "map_count_limit",
        }
    }

    /// The flags that it is about.
    pub const fn flags(self) -> Option<VmFlags> {
        match self {
            Self::FlagsDiffer(flags) | Self::SpecialMapping(flags) => Some(flags),
            Self::NotAdjacent
            | Self::PgoffNotContiguous
            | Self::FileDiffers
            | Self::PolicyDiffers
            | Self::UffdCtxDiffers
            | Self::AnonNameDiffers
            | Self::AnonVmaDiffers
            | Self::AnonVmaForked
            | Self::CloseHook
            | Self::ExpandOnly
            | Self::NoMemory
            | Self::MapCountLimit => None,
        }
    }

    /// Every identifier.
    pub const IDS: &'static [&'static str] = &[
        "not_adjacent",
        "pgoff_not_contiguous",
        "flags_differ",
        "file_differs",
        "policy_differs",
        "uffd_ctx_differs",
        "anon_name_differs",
        "anon_vma_differs",
        "anon_vma_forked",
        "special_mapping",
        "close_hook",
        "expand_only",
        "no_memory",
        "map_count_limit",
    ];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())?;
        if let Some(flags) = self.flags() {
            f.write_str(" (")?;
            for (n, name) in flags.mnemonics().enumerate() {
                write!(f, "{}{name}", if n > 0 { " " } else { "" })?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}
