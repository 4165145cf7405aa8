//! Carries out a merge plan: the only code that changes VMAs and store for a merge.

use sim_sync::Mutant;

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{
    AllocKind, Event, MergeCase, MergeDecision, MergePlan, MergeReport, MergeScene, Mm, PageOps,
    PageRange, Refusal, VirtAddr, VmFlags,
};

/// The range a merge was considered for, for the event log.
#[derive(Clone, Debug)]
pub(crate) struct Considered {
    /// The range.
    pub(crate) range: PageRange,
    /// Whether it was mapped before.
    pub(crate) existing: bool,
    /// The flags asked for, for khugepaged.
    pub(crate) flags: VmFlags,
    /// What is recorded about it; `None` while no events are.
    pub(crate) scene: Option<Box<MergeScene>>,
}

impl<S: VmaStore> Mm<S> {
    /// Carries out what was decided and records it. The merged VMA, or `None` if nothing was to
    /// merge (`mm/vma.c: commit_merge()`, 6.19).
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub(crate) fn apply_merge(
        &mut self,
        pages: &mut dyn PageOps,
        decision: &MergeDecision,
        considered: Considered,
    ) -> Result<Option<VmaId>, NoMemory> {
        let result = match &decision.plan {
            None => Ok(None),
            Some(plan) => self.commit_merge(pages, plan).map(|()| {
                let target = plan.case.target();
                pages.khugepaged_enter(self.vma(target), considered.flags);
                Some(target)
            }),
        };
        self.events.record(|| {
            Event::Merge(Box::new(MergeReport {
                range: considered.range,
                existing: considered.existing,
                decision: *decision,
                failed: result.err().map(|NoMemory| Refusal::NoMemory),
                scene: considered.scene,
            }))
        });
        result
    }

    fn commit_merge(&mut self, pages: &mut dyn PageOps, plan: &MergePlan) -> Result<(), NoMemory> {
        if let Some(from) = plan.anon_vma_from {
            self.anon_vmas.reserve_clone(self.vma(from), &self.fail)?;
        }
        self.fail.alloc(AllocKind::TreeNodes)?;
        if let Some(from) = plan.anon_vma_from {
            self.clone_anon_vma(plan.case.target(), from);
        }
        let sticky = plan.sticky | self.lock_neighbours(plan.case);
        self.store.begin_change();
        self.move_boundaries(pages, plan);
        self.store.end_change();
        if !sticky.is_empty() {
            self.vma_mut(plan.case.target()).insert_flags(sticky);
        }
        Ok(())
    }

    /// Locks the neighbours that take part for writing. The sticky flags that they have then:
    /// readers of their locks may have set one since the plan was made.
    fn lock_neighbours(&mut self, case: MergeCase) -> VmFlags {
        let stale = Mutant::MergeStickyEarly.is_active()
            || self.config.features.stale_vma_flags && matches!(case, MergeCase::FillGap { .. });
        if stale {
            return VmFlags::empty();
        }
        let mut flags = VmFlags::empty();
        for id in case.neighbours().into_iter().flatten() {
            flags |= self.vma_mut(id).flags();
        }
        flags & self.config.features.sticky()
    }

    /// Changes ranges; from here on nothing fails.
    fn move_boundaries(&mut self, pages: &mut dyn PageOps, plan: &MergePlan) {
        match plan.case {
            MergeCase::GrowPrev { prev: target } | MergeCase::GrowNext { next: target } => {
                self.resize_vma(target, plan);
            }
            MergeCase::FillGap { prev, next } => {
                self.drop_merged(pages, next);
                self.resize_vma(prev, plan);
            }
            MergeCase::IntoPrev {
                prev: target,
                middle,
            }
            | MergeCase::IntoNext {
                middle,
                next: target,
            } => {
                self.drop_merged(pages, middle);
                self.resize_vma(target, plan);
            }
            MergeCase::IntoPrevWithNext { prev, middle, next } => {
                self.drop_merged(pages, middle);
                self.drop_merged(pages, next);
                self.resize_vma(prev, plan);
            }
            MergeCase::HeadIntoPrev { prev, middle } => {
                let boundary = plan.becomes.end();
                self.start_write(middle);
                pages.split_huge(self.vma(middle), boundary);
                self.cut_head(middle, boundary);
                self.resize_vma(prev, plan);
            }
            MergeCase::TailIntoNext { middle, next } => {
                let boundary = plan.becomes.start();
                self.start_write(middle);
                pages.split_huge(self.vma(middle), boundary);
                self.cut_tail(middle, boundary);
                self.resize_vma(next, plan);
            }
        }
    }

    fn resize_vma(&mut self, target: VmaId, plan: &MergePlan) {
        let vma = self.vmas.get_mut(target);
        self.store.resize(vma.start(), plan.becomes);
        vma.set_range(plan.becomes, plan.pgoff);
    }

    /// Removes a VMA whose pages another VMA has taken over.
    fn drop_merged(&mut self, pages: &mut dyn PageOps, id: VmaId) {
        self.store.remove(self.vma(id).start());
        let vma = self.take_vma(id);
        if let Some(file) = vma.file() {
            pages.file_unlinked(file, &vma);
        }
        vma.free(&self.anon_vmas);
    }

    /// Lets a VMA begin at `at`, within it.
    pub(crate) fn cut_head(&mut self, id: VmaId, at: VirtAddr) {
        let vma = self.vmas.get_mut(id);
        let range = PageRange::new(at, vma.end());
        let pgoff = vma.pgoff_of(at);
        self.store.resize(vma.start(), range);
        vma.set_range(range, pgoff);
    }

    /// Lets a VMA end at `at`, within it.
    pub(crate) fn cut_tail(&mut self, id: VmaId, at: VirtAddr) {
        let vma = self.vmas.get_mut(id);
        let range = PageRange::new(vma.start(), at);
        self.store.resize(vma.start(), range);
        vma.set_range(range, vma.pgoff());
    }

    /// Gives `target`, which has none, the anon_vma chain of `from`.
    fn clone_anon_vma(&mut self, target: VmaId, from: VmaId) {
        let (target, from) = self.vmas.get_mut_and(target, from);
        self.anon_vmas.clone_reserved(target, from);
    }
}
