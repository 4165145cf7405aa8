//! What is asked of a merge, and what a plan says.

use crate::store::VmaId;
use crate::{
    AnonName, AnonVmaId, Backing, MergeScene, PageOffset, PageRange, Policy, Refusal, UffdCtxId,
    VmFlags, Vma,
};

/// The attributes that two VMAs must share to merge.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Flags.
    pub flags: VmFlags,
    /// What is mapped.
    pub backing: Backing,
    /// The userfaultfd context.
    pub uffd: Option<UffdCtxId>,
    /// The memory policy.
    pub policy: Option<Policy>,
    /// The anonymous name.
    pub anon_name: Option<&'a AnonName>,
}

impl<'a> Attributes<'a> {
    /// Those of a VMA.
    pub fn of(vma: &'a Vma) -> Self {
        Self {
            flags: vma.flags(),
            backing: vma.backing(),
            uffd: vma.uffd(),
            policy: vma.policy(),
            anon_name: vma.anon_name(),
        }
    }

    /// Those of a new anonymous or file mapping.
    pub const fn new(flags: VmFlags, backing: Backing) -> Self {
        Self {
            flags,
            backing,
            uffd: None,
            policy: None,
            anon_name: None,
        }
    }
}

/// A VMA that may take part in a merge.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: VmaId,
    /// Itself.
    pub vma: &'a Vma,
}

/// A range that is not mapped and is about to be (`vma_merge_new_range()`).
#[derive(Clone, Copy, Debug)]
pub struct NewRange<'a> {
    /// Its addresses.
    pub range: PageRange,
    /// Its offset.
    pub pgoff: PageOffset,
    /// Its attributes.
    pub attributes: Attributes<'a>,
    /// The anon_vma that comes with it (mremap's source has one already).
    pub anon_vma: Option<AnonVmaId>,
    /// The VMA that mremap copies to the range.
    pub copied_from: Option<Candidate<'a>>,
    /// brk and in-place growth: nothing is merged on the right.
    pub just_expand: bool,
    /// The VMA below.
    pub prev: Option<Candidate<'a>>,
    /// The VMA above.
    pub next: Option<Candidate<'a>>,
}

/// A part or all of a VMA whose attributes are about to change (`vma_merge_existing_range()`).
#[derive(Clone, Copy, Debug)]
pub struct ExistingRange<'a> {
    /// The part.
    pub range: PageRange,
    /// What its attributes are to be.
    pub attributes: Attributes<'a>,
    /// The VMA it is a part of.
    pub middle: Candidate<'a>,
    /// The VMA below; looked at only if the range starts where `middle` does.
    pub prev: Option<Candidate<'a>>,
    /// The VMA above; looked at only if the range ends where `middle` does.
    pub next: Option<Candidate<'a>>,
}

/// Which VMAs merge, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergeCase {
    /// A new range; the VMA below grows.
    ///
    /// ```text
    /// |--prev--|*****   ▶   |-----prev----|
    /// ```
    GrowPrev {
        /// The VMA below.
        prev: VmaId,
    },
    /// A new range; the VMA above grows.
    ///
    /// ```text
    /// *****|--next--|   ▶   |-----next----|
    /// ```
    GrowNext {
        /// The VMA above.
        next: VmaId,
    },
    /// A new range; the VMA below takes it and the VMA above.
    ///
    /// ```text
    /// |--prev--|*****|--next--|   ▶   |---------prev---------|
    /// ```
    FillGap {
        /// The VMA below.
        prev: VmaId,
        /// The VMA above; it goes.
        next: VmaId,
    },
    /// All of a VMA is taken by the one below.
    ///
    /// ```text
    /// |--prev--|**middle**|   ▶   |--------prev--------|
    /// ```
    IntoPrev {
        /// The VMA below.
        prev: VmaId,
        /// The VMA that changes; it goes.
        middle: VmaId,
    },
    /// The head of a VMA is taken by the one below: the boundary moves up.
    ///
    /// ```text
    /// |--prev--|***|-middle-|   ▶   |---prev---|-middle-|
    /// ```
    HeadIntoPrev {
        /// The VMA below.
        prev: VmaId,
        /// The VMA that changes; it shrinks.
        middle: VmaId,
    },
    /// All of a VMA is taken by the one above.
    ///
    /// ```text
    /// |**middle**|--next--|   ▶   |--------next--------|
    /// ```
    IntoNext {
        /// The VMA that changes; it goes.
        middle: VmaId,
        /// The VMA above.
        next: VmaId,
    },
    /// The tail of a VMA is taken by the one above: the boundary moves down.
    ///
    /// ```text
    /// |-middle-|***|--next--|   ▶   |-middle-|---next---|
    /// ```
    TailIntoNext {
        /// The VMA that changes; it shrinks.
        middle: VmaId,
        /// The VMA above.
        next: VmaId,
    },
    /// The VMA below takes all of a VMA and the one above.
    ///
    /// ```text
    /// |--prev--|**middle**|--next--|   ▶   |------------prev-----------|
    /// ```
    IntoPrevWithNext {
        /// The VMA below.
        prev: VmaId,
        /// The VMA that changes; it goes.
        middle: VmaId,
        /// The VMA above; it goes too.
        next: VmaId,
    },
}

impl MergeCase {
    /// The VMA that is there afterwards and covers the range.
    pub const fn target(self) -> VmaId {
        match self {
            Self::GrowPrev { prev }
            | Self::FillGap { prev, .. }
            | Self::IntoPrev { prev, .. }
            | Self::HeadIntoPrev { prev, .. }
            | Self::IntoPrevWithNext { prev, .. } => prev,
            Self::GrowNext { next }
            | Self::IntoNext { next, .. }
            | Self::TailIntoNext { next, .. } => next,
        }
    }

    /// The VMAs below and above that take part.
    pub const fn neighbours(self) -> [Option<VmaId>; 2] {
        match self {
            Self::GrowPrev { prev }
            | Self::IntoPrev { prev, .. }
            | Self::HeadIntoPrev { prev, .. } => [Some(prev), None],
            Self::GrowNext { next }
            | Self::IntoNext { next, .. }
            | Self::TailIntoNext { next, .. } => [None, Some(next)],
            Self::FillGap { prev, next } | Self::IntoPrevWithNext { prev, next, .. } => {
                [Some(prev), Some(next)]
            }
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GrowPrev { .. } => "grow_prev",
            Self::GrowNext { .. } => "grow_next",
            Self::FillGap { .. } => "fill_gap",
            Self::IntoPrev { .. } => "into_prev",
            Self::HeadIntoPrev { .. } => "head_into_prev",
            Self::IntoNext { .. } => "into_next",
            Self::TailIntoNext { .. } => "tail_into_next",
            Self::IntoPrevWithNext { .. } => "into_prev_with_next",
        }
    }
}

/// What is to be done for a merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergePlan {
    /// Which VMAs, and how.
    pub case: MergeCase,
    /// The target's addresses afterwards.
    pub becomes: PageRange,
    /// The target's offset afterwards.
    pub pgoff: PageOffset,
    /// Flags that the target gets from the others.
    pub sticky: VmFlags,
    /// The VMA whose anon_vma chain the target, which has none, gets.
    pub anon_vma_from: Option<VmaId>,
}

/// A plan, or why there is none; and, for each side, whether it can merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeDecision {
    /// What is to be done.
    pub plan: Option<MergePlan>,
    /// The VMA below.
    pub left: Result<(), Refusal>,
    /// The VMA above.
    pub right: Result<(), Refusal>,
}

impl MergeDecision {
    /// Nothing merges.
    pub(crate) const fn none(left: Refusal, right: Refusal) -> Self {
        Self {
            plan: None,
            left: Err(left),
            right: Err(right),
        }
    }
}

/// A considered merge, for `explain`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeReport {
    /// The range that was new or changed.
    pub range: PageRange,
    /// Whether it was mapped before.
    pub existing: bool,
    /// What was decided.
    pub decision: MergeDecision,
    /// Why the plan was not carried out after all.
    pub failed: Option<Refusal>,
    /// What it was considered with; `None` where nothing was compared (a VMA that makes room for
    /// itself).
    pub scene: Option<Box<MergeScene>>,
}
