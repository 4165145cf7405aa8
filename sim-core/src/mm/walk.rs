//! The walk over a range that most operations make: each VMA with the part of it that is meant.

use crate::store::{VmaId, VmaStore};
use crate::{Errno, Mm, PageRange, Vma};

/// Whether the range had holes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Coverage {
    /// Every page has a VMA.
    Whole,
    /// Some page has none.
    Holes,
}

impl Coverage {
    const fn of(holes: bool) -> Self {
        if holes { Self::Holes } else { Self::Whole }
    }

    /// Holes are `ENOMEM`, found out once everything else is done.
    pub(crate) const fn require_whole(self) -> Result<(), Errno> {
        match self {
            Self::Whole => Ok(()),
            Self::Holes => Err(Errno::ENOMEM),
        }
    }
}

impl<S: VmaStore> Mm<S> {
    /// Calls `change` for each VMA of the range, ascending, holes skipped. It returns the VMA that
    /// covers the part afterwards; if that has merged with what lies behind, the walk goes on after
    /// it (`mm/madvise.c: madvise_walk_vmas()` and its like).
    ///
    /// # Errors
    /// The first that `change` returns; what was done stays.
    pub(crate) fn for_each_part<E>(
        &mut self,
        range: PageRange,
        mut change: impl FnMut(&mut Self, VmaId, PageRange) -> Result<VmaId, E>,
    ) -> Result<Coverage, E> {
        let mut at = range.start();
        let mut holes = false;
        while at < range.end() {
            let Some(entry) = self.store.find(at) else {
                return Ok(Coverage::Holes);
            };
            holes |= at < entry.range.start();
            let rest = PageRange::new(at, range.end());
            let Some(part) = entry.range.intersect(rest) else {
                break;
            };
            let id = change(self, entry.id, part)?;
            at = part.end().max(self.vma(id).end());
        }
        Ok(Coverage::of(holes))
    }

    /// The same for what only looks.
    ///
    /// # Errors
    /// The first that `visit` returns.
    pub(crate) fn visit_parts<E>(
        &self,
        range: PageRange,
        mut visit: impl FnMut(VmaId, &Vma, PageRange) -> Result<(), E>,
    ) -> Result<Coverage, E> {
        let mut at = range.start();
        let mut holes = false;
        while at < range.end() {
            let Some(entry) = self.store.find(at) else {
                return Ok(Coverage::Holes);
            };
            holes |= at < entry.range.start();
            let rest = PageRange::new(at, range.end());
            let Some(part) = entry.range.intersect(rest) else {
                break;
            };
            visit(entry.id, self.vma(entry.id), part)?;
            at = part.end();
        }
        Ok(Coverage::of(holes))
    }
}
