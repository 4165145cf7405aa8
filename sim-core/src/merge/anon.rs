//! May a VMA and a proposed range share an anon_vma? (`mm/vma.c: is_mergeable_anon_vma()`)

use crate::{AnonVmaId, Features, Refusal, Vma};

/// Where a proposed range's anon_vma comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnonSource<'a> {
    /// The anon_vma.
    pub(super) anon_vma: Option<AnonVmaId>,
    /// The VMA whose fork state counts: the one that changes, or the one that is copied.
    pub(super) vma: Option<&'a Vma>,
}

/// Compares the candidate's anon_vma with the range's.
///
/// | candidate | range | |
/// |--|--|--|
/// | none | set | fits unless the range's VMA is a fork child; before 6.16: never |
/// | set | none | fits unless the candidate is a fork child |
/// | set | set | fits if they are the same |
/// | none | none | fits |
#[inline]
pub(super) fn same_anon_vma(
    candidate: &Vma,
    source: AnonSource<'_>,
    features: &Features,
) -> Result<(), Refusal> {
    match (candidate.anon_vma(), source.anon_vma) {
        (None, None) => Ok(()),
        (Some(ours), Some(theirs)) => (ours == theirs)
            .then_some(())
            .ok_or(Refusal::AnonVmaDiffers),
        (Some(_), None) => not_forked(!candidate.is_fork_child()),
        (None, Some(_)) => not_forked(
            features.merge_unfaulted_target && !source.vma.is_some_and(Vma::is_fork_child),
        ),
    }
}

fn not_forked(fits: bool) -> Result<(), Refusal> {
    fits.then_some(()).ok_or(Refusal::AnonVmaForked)
}

/// May the VMAs on both sides share an anon_vma? (`mm/vma.c: are_anon_vmas_compatible()`)
pub(super) fn sides_compatible(prev: &Vma, next: &Vma) -> Result<(), Refusal> {
    match (prev.anon_vma(), next.anon_vma()) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(Refusal::AnonVmaDiffers),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}
