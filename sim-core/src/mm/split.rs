//! Splitting a VMA in two, and trimming one end.

use sim_sync::Mutant;

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{AllocKind, Errno, Event, Mm, PageOps, PageRange, Refusal, VirtAddr, VmaHooks};

/// Which part of a split is the new VMA; the other one keeps its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NewPart {
    /// The lower one (`new_below`).
    Below,
    /// The upper one.
    Above,
}

impl<S: VmaStore> Mm<S> {
    /// Splits a VMA if one more VMA is allowed (`mm/vma.c: split_vma()`). Returns the new part.
    ///
    /// # Errors
    /// `ENOMEM` at the limit or if memory is short; `EINVAL` if its driver forbids it.
    pub fn split_vma(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        at: VirtAddr,
        new: NewPart,
    ) -> Result<VmaId, Errno> {
        if self.at_map_limit() {
            self.events.record(|| Event::Refused {
                range: self.vma(id).range(),
                why: Refusal::MapCountLimit,
            });
            return Err(Errno::ENOMEM);
        }
        self.split_unlimited(pages, id, at, new)
    }

    /// Splits a VMA whatever the limit (`mm/vma.c: __split_vma()`, 6.19). Returns the new part.
    ///
    /// # Errors
    /// `ENOMEM` if memory is short; `EINVAL` if its driver forbids it.
    pub(crate) fn split_unlimited(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        at: VirtAddr,
        new: NewPart,
    ) -> Result<VmaId, Errno> {
        let old = self.vma(id);
        if old.hooks().contains(VmaHooks::NO_SPLIT) {
            return Err(Errno::EINVAL);
        }
        self.reserve_split(id).map_err(|NoMemory| Errno::ENOMEM)?;
        if !self.config.features.stale_vma_flags && !Mutant::SplitCopiesEarly.is_active() {
            self.start_write(id);
        }
        let old = self.vma(id);
        let range = old.range();
        let (below, above) = range.split_at(at);
        assert!(!below.is_empty() && !above.is_empty(), "split at an end");
        let mut part = match new {
            NewPart::Below => old.duplicate(below, old.pgoff()),
            NewPart::Above => old.duplicate(above, old.pgoff_of(at)),
        };
        self.anon_vmas.clone_reserved(&mut part, old);
        pages.split_huge(old, at);
        self.store.begin_change();
        match new {
            NewPart::Below => self.cut_head(id, at),
            NewPart::Above => self.cut_tail(id, at),
        }
        let part_range = part.range();
        let part = self.add_vma(part);
        self.store.insert(part_range, part);
        self.store.end_change();
        if let Some(file) = self.vma(part).file() {
            pages.file_linked(file, self.vma(part));
        }
        self.events.record(|| Event::Split { range, at });
        Ok(part)
    }

    fn reserve_split(&mut self, id: VmaId) -> Result<(), NoMemory> {
        self.fail.alloc(AllocKind::Vma)?;
        self.fail.alloc(AllocKind::TreeNodes)?;
        if self.vma(id).policy().is_some() {
            self.fail.alloc(AllocKind::Policy)?;
        }
        self.anon_vmas.reserve_clone(self.vma(id), &self.fail)
    }

    /// Trims a VMA at one end (`mm/vma.c: vma_shrink()`); pages are the caller's.
    ///
    /// # Errors
    /// If memory is short.
    ///
    /// # Panics
    /// If `to` is not part of the VMA with one end in common.
    pub fn shrink_vma(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        to: PageRange,
    ) -> Result<(), NoMemory> {
        let from = self.vma(id).range();
        assert!(from.contains_range(to), "shrunk VMA reaches outside");
        assert!(
            from.start() == to.start() || from.end() == to.end(),
            "only one end may move"
        );
        self.fail.alloc(AllocKind::TreeNodes)?;
        self.start_write(id);
        pages.split_huge(self.vma(id), to.start());
        pages.split_huge(self.vma(id), to.end());
        if from.start() == to.start() {
            self.cut_tail(id, to.end());
        } else {
            self.cut_head(id, to.start());
        }
        self.events.record(|| Event::Shrink { from, to });
        Ok(())
    }
}
