//! The plan for a part of a VMA whose attributes change: mprotect, mlock, madvise, mbind, names,
//! userfaultfd.

use super::anon::{AnonSource, same_anon_vma, sides_compatible};
use super::compare::same_attributes;
use crate::{
    Candidate, ExistingRange, Features, MergeCase, MergeDecision, MergePlan, PageOffset, PageRange,
    Refusal, VmFlags, VmaHooks,
};

/// Decides how a changed range merges (`mm/vma.c: vma_merge_existing_range()`, 6.19).
pub fn plan_existing_range(request: &ExistingRange<'_>, features: &Features) -> MergeDecision {
    let special = request.attributes.flags & VmFlags::SPECIAL;
    if !special.is_empty() {
        let why = Refusal::SpecialMapping(special);
        return MergeDecision::none(why, why);
    }
    let middle = request.middle.vma;
    let whole = request.range == middle.range();
    let left = left(request, features);
    let mut right = right(request, features, left);
    if whole && middle.hooks().contains(VmaHooks::CLOSE) && (left.is_ok() || right.is_ok()) {
        return MergeDecision {
            plan: None,
            left: left.map(drop).and(Err(Refusal::CloseHook)),
            right: right.map(drop).and(Err(Refusal::CloseHook)),
        };
    }
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

type Side<'a> = Result<Candidate<'a>, Refusal>;

const fn source_of<'a>(request: &ExistingRange<'a>) -> AnonSource<'a> {
    AnonSource {
        anon_vma: None,
        vma: Some(request.middle.vma),
    }
}

fn fits(
    request: &ExistingRange<'_>,
    candidate: Candidate<'_>,
    features: &Features,
) -> Result<(), Refusal> {
    same_attributes(candidate.vma, &request.attributes, features)?;
    let source = AnonSource {
        anon_vma: request.middle.vma.anon_vma(),
        ..source_of(request)
    };
    same_anon_vma(candidate.vma, source, features)
}

fn pgoff(request: &ExistingRange<'_>) -> PageOffset {
    request.middle.vma.pgoff_of(request.range.start())
}

fn left<'a>(request: &ExistingRange<'a>, features: &Features) -> Side<'a> {
    let prev = request.prev.ok_or(Refusal::NotAdjacent)?;
    let start = request.range.start();
    if start != request.middle.vma.start() || prev.vma.end() != start {
        return Err(Refusal::NotAdjacent);
    }
    fits(request, prev, features)?;
    if prev.vma.pgoff().add_pages(prev.vma.pages()) != pgoff(request) {
        return Err(Refusal::PgoffNotContiguous);
    }
    Ok(prev)
}

fn right<'a>(request: &ExistingRange<'a>, features: &Features, left: Side<'a>) -> Side<'a> {
    let next = request.next.ok_or(Refusal::NotAdjacent)?;
    let end = request.range.end();
    if end != request.middle.vma.end() || next.vma.start() != end {
        return Err(Refusal::NotAdjacent);
    }
    fits(request, next, features)?;
    if pgoff(request).add_pages(request.range.pages()) != next.vma.pgoff() {
        return Err(Refusal::PgoffNotContiguous);
    }
    if let Ok(prev) = left {
        sides_compatible(prev.vma, next.vma)?;
    }
    Ok(next)
}

fn plan(
    request: &ExistingRange<'_>,
    features: &Features,
    left: Option<Candidate<'_>>,
    right: Option<Candidate<'_>>,
) -> Option<MergePlan> {
    let middle = request.middle;
    let range = request.range;
    let whole = range == middle.vma.range();
    let sticky_of = |c: Candidate<'_>| c.vma.flags() & features.sticky();
    let proposed = request.attributes.flags & features.sticky();
    // dup_anon_vma(): only from a VMA that has one to a target that has none.
    let anon_vma_from = |target: Candidate<'_>, from: Candidate<'_>| {
        (target.vma.anon_vma().is_none() && from.vma.anon_vma().is_some()).then_some(from.id)
    };
    match (left, right) {
        (None, None) => None,
        (Some(prev), Some(next)) => Some(MergePlan {
            case: MergeCase::IntoPrevWithNext {
                prev: prev.id,
                middle: middle.id,
                next: next.id,
            },
            becomes: PageRange::new(prev.vma.start(), next.vma.end()),
            pgoff: prev.vma.pgoff(),
            sticky: proposed | sticky_of(prev) | sticky_of(next),
            anon_vma_from: anon_vma_from(prev, next).or(anon_vma_from(prev, middle)),
        }),
        (Some(prev), None) => Some(MergePlan {
            case: if whole {
                MergeCase::IntoPrev {
                    prev: prev.id,
                    middle: middle.id,
                }
            } else {
                MergeCase::HeadIntoPrev {
                    prev: prev.id,
                    middle: middle.id,
                }
            },
            becomes: PageRange::new(prev.vma.start(), range.end()),
            pgoff: prev.vma.pgoff(),
            sticky: proposed | sticky_of(prev),
            anon_vma_from: anon_vma_from(prev, middle),
        }),
        (None, Some(next)) => Some(MergePlan {
            case: if whole {
                MergeCase::IntoNext {
                    middle: middle.id,
                    next: next.id,
                }
            } else {
                MergeCase::TailIntoNext {
                    middle: middle.id,
                    next: next.id,
                }
            },
            becomes: PageRange::new(range.start(), next.vma.end()),
            pgoff: pgoff(request),
            sticky: proposed | sticky_of(next),
            anon_vma_from: anon_vma_from(next, middle),
        }),
    }
}
