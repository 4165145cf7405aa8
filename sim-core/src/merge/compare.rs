//! May a VMA and a proposed range be one VMA? (`mm/vma.c: is_mergeable_vma()`)

use crate::{Attributes, Features, Refusal, VmFlags, Vma};

impl Features {
    /// Flags that the comparison of two VMAs leaves out (`VM_IGNORE_MERGE`).
    pub const fn ignored_by_merge(&self) -> VmFlags {
        if self.sticky_flags {
            VmFlags::SOFTDIRTY.union(VmFlags::MAYBE_GUARD)
        } else {
            VmFlags::SOFTDIRTY
        }
    }

    /// Flags that a merged VMA keeps if any part had them (`VM_STICKY`).
    pub const fn sticky(&self) -> VmFlags {
        let guard = if self.sticky_flags {
            VmFlags::MAYBE_GUARD
        } else {
            VmFlags::empty()
        };
        if self.softdirty_sticky {
            guard.union(VmFlags::SOFTDIRTY)
        } else {
            guard
        }
    }
}

/// Compares attributes in Linux's order.
#[inline]
pub(super) fn same_attributes(
    candidate: &Vma,
    wanted: &Attributes<'_>,
    features: &Features,
) -> Result<(), Refusal> {
    if candidate.policy() != wanted.policy {
        return Err(Refusal::PolicyDiffers);
    }
    let differing = (candidate.flags() ^ wanted.flags).difference(features.ignored_by_merge());
    if !differing.is_empty() {
        return Err(Refusal::FlagsDiffer(differing));
    }
    if candidate.backing() != wanted.backing {
        return Err(Refusal::FileDiffers);
    }
    if candidate.uffd() != wanted.uffd {
        return Err(Refusal::UffdCtxDiffers);
    }
    if candidate.anon_name() != wanted.anon_name {
        return Err(Refusal::AnonNameDiffers);
    }
    Ok(())
}
