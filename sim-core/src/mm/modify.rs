//! Changing attributes of a part of a VMA: merge with a neighbour, or split it off.
//!
//! None of these applies the change itself; the caller does, to the VMA returned.

use sim_sync::Mutant;

use super::split::NewPart;
use crate::merge::{Considered, plan_existing_range, plan_new_range};
use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{
    AnonName, Attributes, Errno, ExistingRange, MergeDecision, Mm, NewRange, PageOffset, PageOps,
    PageRange, Policy, UffdCtxId, VmFlags,
};

/// A new range, without its neighbours: what [`Mm::merge_new_range`] is asked.
#[derive(Clone, Copy, Debug)]
pub struct NewRangeRequest<'a> {
    /// Its addresses; nothing is mapped there.
    pub range: PageRange,
    /// Its offset.
    pub pgoff: PageOffset,
    /// Its attributes.
    pub attributes: Attributes<'a>,
    /// The VMA that mremap copies.
    pub copied_from: Option<VmaId>,
    /// Nothing is merged on the right (brk).
    pub just_expand: bool,
}

impl<S: VmaStore> Mm<S> {
    /// Merges a new range with its neighbours if possible (`mm/vma.c: vma_merge_new_range()`).
    /// Counters are the caller's.
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn merge_new_range(
        &mut self,
        pages: &mut dyn PageOps,
        request: &NewRangeRequest<'_>,
    ) -> Result<Option<VmaId>, NoMemory> {
        let around = self.around(request.range.start());
        self.merge_between(pages, request, around)
    }

    /// The same, with the VMAs below and above the range known.
    pub(super) fn merge_between(
        &mut self,
        pages: &mut dyn PageOps,
        request: &NewRangeRequest<'_>,
        (prev, next): (Option<VmaId>, Option<VmaId>),
    ) -> Result<Option<VmaId>, NoMemory> {
        let decision = plan_new_range(
            &NewRange {
                range: request.range,
                pgoff: request.pgoff,
                attributes: request.attributes,
                anon_vma: request.copied_from.and_then(|id| self.vma(id).anon_vma()),
                copied_from: request.copied_from.map(|id| self.candidate(id)),
                just_expand: request.just_expand,
                prev: prev.map(|id| self.candidate(id)),
                next: next.map(|id| self.candidate(id)),
            },
            &self.config.features,
        );
        let considered = Considered {
            range: request.range,
            existing: false,
            flags: request.attributes.flags,
            scene: self.scene_of_new(request),
        };
        self.apply_merge(pages, &decision, considered)
    }

    /// Grows a VMA upwards in place, merging with the next one if possible
    /// (`mm/vma.c: vma_merge_extend()`). Counters are the caller's.
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn merge_extend(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        delta_pages: u64,
    ) -> Result<Option<VmaId>, NoMemory> {
        let vma = self.vma(id);
        let range = PageRange::from_pages(vma.end(), delta_pages);
        let decision = plan_new_range(
            &NewRange {
                range,
                pgoff: vma.pgoff_of(vma.end()),
                attributes: Attributes::of(vma),
                anon_vma: vma.anon_vma(),
                copied_from: None,
                just_expand: false,
                prev: Some(self.candidate(id)),
                next: self.next_of(id).map(|next| self.candidate(next)),
            },
            &self.config.features,
        );
        let considered = Considered {
            range,
            existing: false,
            flags: vma.flags(),
            scene: self.scene_of_growth(id, range),
        };
        self.apply_merge(pages, &decision, considered)
    }

    /// What `modify_vma()` would merge: a pure question.
    pub fn plan_modify(
        &self,
        id: VmaId,
        range: PageRange,
        attributes: &Attributes<'_>,
    ) -> MergeDecision {
        let middle = self.vma(id);
        let (prev, next) = match (range.start() == middle.start(), range.end() == middle.end()) {
            (true, true) => self.sides_of(id),
            (true, false) => (self.prev_of(id), None),
            (false, true) => (None, self.next_of(id)),
            (false, false) => (None, None),
        };
        let request = ExistingRange {
            range,
            attributes: *attributes,
            middle: self.candidate(id),
            prev: prev.map(|id| self.candidate(id)),
            next: next.map(|id| self.candidate(id)),
        };
        plan_existing_range(&request, &self.config.features)
    }

    /// The plan, and what is recorded about it.
    fn consider(
        &self,
        id: VmaId,
        range: PageRange,
        attributes: &Attributes<'_>,
    ) -> (MergeDecision, Considered) {
        let considered = Considered {
            range,
            existing: true,
            flags: attributes.flags,
            scene: self.scene_of_part(id, range, attributes),
        };
        (self.plan_modify(id, range, attributes), considered)
    }

    /// Makes `range`, part of a VMA, fit for new attributes (`mm/vma.c: vma_modify()`): merges it
    /// with neighbours that have them, or splits it off. The flag says whether it merged.
    fn modify_vma(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        decision: &MergeDecision,
        considered: Considered,
    ) -> Result<Modified, Errno> {
        let range = considered.range;
        match self.apply_merge(pages, decision, considered) {
            Ok(Some(merged)) => return Ok(Modified::Merged(merged)),
            Ok(None) => {}
            Err(NoMemory) => return Err(Errno::ENOMEM),
        }
        if self.vma(id).start() < range.start() {
            self.split_vma(pages, id, range.start(), NewPart::Below)?;
        }
        if self.vma(id).end() > range.end() {
            self.split_vma(pages, id, range.end(), NewPart::Above)?;
        }
        Ok(Modified::Alone(id))
    }

    /// Locks a VMA for writing before anything is computed from its flags: readers of its lock may
    /// set one of them. DEVIATION: 6.19 locks it when it is changed, as `stale_vma_flags` does.
    pub(super) fn start_modify(&mut self, id: VmaId) {
        if !self.config.features.stale_vma_flags && !Mutant::ModifyFlagsEarly.is_active() {
            self.start_write(id);
        }
    }

    /// Before `range` of a VMA gets other flags. After a merge `flags` has the sticky flags that
    /// came with it, so that the caller keeps them (`mm/vma.c: vma_modify_flags()`, 6.19).
    ///
    /// # Errors
    /// `ENOMEM` if memory is short or the limit on VMAs is reached; `EINVAL` if the VMA cannot be
    /// split. A split made before stays.
    pub fn vma_modify_flags(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        range: PageRange,
        flags: &mut VmFlags,
    ) -> Result<VmaId, Errno> {
        let (decision, considered) = self.consider(
            id,
            range,
            &Attributes {
                flags: *flags,
                ..Attributes::of(self.vma(id))
            },
        );
        match self.modify_vma(pages, id, &decision, considered)? {
            Modified::Alone(id) => Ok(id),
            Modified::Merged(id) => {
                if self.config.features.modify_keeps_sticky {
                    *flags = self.vma(id).flags();
                }
                Ok(id)
            }
        }
    }

    /// Before `range` of a VMA gets another policy (`mm/vma.c: vma_modify_policy()`).
    ///
    /// # Errors
    /// As [`vma_modify_flags`](Self::vma_modify_flags).
    pub fn vma_modify_policy(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        range: PageRange,
        policy: Option<Policy>,
    ) -> Result<VmaId, Errno> {
        self.start_modify(id);
        let attributes = Attributes {
            policy,
            ..Attributes::of(self.vma(id))
        };
        let (decision, considered) = self.consider(id, range, &attributes);
        self.modify_vma(pages, id, &decision, considered)
            .map(Modified::id)
    }

    /// Before `range` of a VMA gets another name (`mm/vma.c: vma_modify_name()`).
    ///
    /// # Errors
    /// As [`vma_modify_flags`](Self::vma_modify_flags).
    pub fn vma_modify_name(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        range: PageRange,
        name: Option<&AnonName>,
    ) -> Result<VmaId, Errno> {
        self.start_modify(id);
        let attributes = Attributes {
            anon_name: name,
            ..Attributes::of(self.vma(id))
        };
        let (decision, considered) = self.consider(id, range, &attributes);
        self.modify_vma(pages, id, &decision, considered)
            .map(Modified::id)
    }

    /// Before `range` of a VMA gets other flags and another userfaultfd context (`mm/vma.c:
    /// vma_modify_flags_uffd()`). The caller computes the flags anew from the VMA returned.
    ///
    /// # Errors
    /// As [`vma_modify_flags`](Self::vma_modify_flags), but with `give_up_on_oom` a merge for
    /// which memory is short is a merge that does not happen.
    pub fn vma_modify_flags_uffd(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        change: &UffdChange,
    ) -> Result<VmaId, Errno> {
        let attributes = Attributes {
            flags: change.flags,
            uffd: change.uffd,
            ..Attributes::of(self.vma(id))
        };
        let (decision, considered) = self.consider(id, change.range, &attributes);
        match self.modify_vma(pages, id, &decision, considered) {
            Err(Errno::ENOMEM) if change.give_up_on_oom && self.vma(id).range() == change.range => {
                Ok(id)
            }
            result => result.map(Modified::id),
        }
    }
}

/// A change of registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UffdChange {
    /// Where.
    pub range: PageRange,
    /// The flags wanted.
    pub flags: VmFlags,
    /// The context wanted.
    pub uffd: Option<UffdCtxId>,
    /// Do not fail for want of memory for a merge (unregistering a whole VMA).
    pub give_up_on_oom: bool,
}

/// What became of a changed range.
#[derive(Clone, Copy, Debug)]
enum Modified {
    /// It is part of this VMA, which was there before.
    Merged(VmaId),
    /// It is a VMA of its own.
    Alone(VmaId),
}

impl Modified {
    const fn id(self) -> VmaId {
        match self {
            Self::Merged(id) | Self::Alone(id) => id,
        }
    }
}
