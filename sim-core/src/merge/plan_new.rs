//! The plan for a range that is not mapped yet: mmap, brk, growth and moves by mremap.

use super::anon::{AnonSource, same_anon_vma, sides_compatible};
use super::compare::same_attributes;
use crate::{
    Candidate, Features, MergeCase, MergeDecision, MergePlan, NewRange, PageRange, Refusal,
    VmFlags, VmaHooks,
};

/// Decides how a new range merges (`mm/vma.c: vma_merge_new_range()`, `vma_expand()`, 6.19).
pub fn plan_new_range(request: &NewRange<'_>, features: &Features) -> MergeDecision {
    let special = request.attributes.flags & VmFlags::SPECIAL;
    if !special.is_empty() {
        let why = Refusal::SpecialMapping(special);
        return MergeDecision::none(why, why);
    }
    let source = source_of(request, features);
    let left = left(request, source, features);
    let mut right = right(request, source, features, left);
    if let (Ok(_), Ok(next)) = (left, right)
        && next.vma.hooks().contains(VmaHooks::CLOSE)
    {
        right = Err(Refusal::CloseHook);
    }
    MergeDecision {
        plan: plan(request, features, left.ok(), right.ok()),
        left: left.map(drop),
        right: right.map(drop),
    }
}

/// The anon_vma that comes with the range.
fn source_of<'a>(request: &NewRange<'a>, features: &Features) -> AnonSource<'a> {
    let copied = request.copied_from.map(|c| c.vma);
    AnonSource {
        anon_vma: request.anon_vma,
        vma: copied.filter(|_| features.mremap_source_anon_vma),
    }
}

type Side<'a> = Result<Candidate<'a>, Refusal>;

fn left<'a>(request: &NewRange<'a>, source: AnonSource<'_>, features: &Features) -> Side<'a> {
    let prev = request.prev.ok_or(Refusal::NotAdjacent)?;
    if prev.vma.end() != request.range.start() {
        return Err(Refusal::NotAdjacent);
    }
    same_attributes(prev.vma, &request.attributes, features)?;
    same_anon_vma(prev.vma, source, features)?;
    if prev.vma.pgoff().add_pages(prev.vma.pages()) != request.pgoff {
        return Err(Refusal::PgoffNotContiguous);
    }
    Ok(prev)
}

fn right<'a>(
    request: &NewRange<'a>,
    source: AnonSource<'_>,
    features: &Features,
    left: Side<'a>,
) -> Side<'a> {
    if request.just_expand {
        return Err(Refusal::ExpandOnly);
    }
    let next = request.next.ok_or(Refusal::NotAdjacent)?;
    if next.vma.start() != request.range.end() {
        return Err(Refusal::NotAdjacent);
    }
    same_attributes(next.vma, &request.attributes, features)?;
    same_anon_vma(next.vma, source, features)?;
    if request.pgoff.add_pages(request.range.pages()) != next.vma.pgoff() {
        return Err(Refusal::PgoffNotContiguous);
    }
    if let Ok(prev) = left {
        sides_compatible(prev.vma, next.vma)?;
    }
    Ok(next)
}

fn plan(
    request: &NewRange<'_>,
    features: &Features,
    left: Option<Candidate<'_>>,
    right: Option<Candidate<'_>>,
) -> Option<MergePlan> {
    let sticky_of = |c: Candidate<'_>| c.vma.flags() & features.sticky();
    let proposed = request.attributes.flags & features.sticky();
    let copied = request
        .copied_from
        .filter(|c| features.mremap_source_anon_vma && c.vma.anon_vma().is_some());
    let unfaulted = |target: Candidate<'_>| target.vma.anon_vma().is_none();
    match (left, right) {
        (None, None) => None,
        (Some(prev), None) => Some(MergePlan {
            case: MergeCase::GrowPrev { prev: prev.id },
            becomes: PageRange::new(prev.vma.start(), request.range.end()),
            pgoff: prev.vma.pgoff(),
            sticky: proposed | sticky_of(prev),
            anon_vma_from: copied.filter(|_| unfaulted(prev)).map(|c| c.id),
        }),
        (None, Some(next)) => Some(MergePlan {
            case: MergeCase::GrowNext { next: next.id },
            becomes: PageRange::new(request.range.start(), next.vma.end()),
            pgoff: request.pgoff,
            sticky: proposed | sticky_of(next),
            anon_vma_from: copied.filter(|_| unfaulted(next)).map(|c| c.id),
        }),
        (Some(prev), Some(next)) => Some(MergePlan {
            case: MergeCase::FillGap {
                prev: prev.id,
                next: next.id,
            },
            becomes: PageRange::new(prev.vma.start(), next.vma.end()),
            pgoff: prev.vma.pgoff(),
            sticky: proposed | sticky_of(prev) | sticky_of(next),
            anon_vma_from: Some(next)
                .filter(|next| next.vma.anon_vma().is_some())
                .or(copied)
                .filter(|_| unfaulted(prev))
                .map(|c| c.id),
        }),
    }
}
