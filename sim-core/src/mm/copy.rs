//! The VMA at the destination of a move by mremap.

use super::modify::NewRangeRequest;
use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{Attributes, Bytes, Mm, PageOffset, PageOps, PageRange, VirtAddr};

/// What [`Mm::copy_vma`] made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopiedVma {
    /// The VMA that covers the destination.
    pub id: VmaId,
    /// The source; another VMA than before if the merge took the source in.
    pub source: VmaId,
    /// Whether reverse-map walks must be kept out while entries move.
    pub need_rmap_locks: bool,
    /// Whether the destination merged with VMAs that were there.
    pub merged: bool,
}

impl<S: VmaStore> Mm<S> {
    /// Makes the VMA at the destination of a move: merges, or copies the source
    /// (`mm/vma.c: copy_vma()`, 6.19). Counters and charges are the caller's.
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn copy_vma(
        &mut self,
        pages: &mut dyn PageOps,
        source: VmaId,
        to: (VirtAddr, Bytes),
        pgoff: PageOffset,
    ) -> Result<CopiedVma, NoMemory> {
        let (addr, len) = to;
        let range = PageRange::new(addr, addr + len);
        let vma = self.vma(source);
        let (source_start, unfaulted) = (vma.start(), vma.is_anon() && vma.anon_vma().is_none());
        let pgoff = if unfaulted {
            PageOffset::new(addr.page_number())
        } else {
            pgoff
        };
        let source_pgoff = vma.pgoff();
        if let Some(id) = self.merge_copy(pages, source, range, pgoff) {
            let source = if unfaulted && self.vma(id).range().contains(source_start) {
                id
            } else {
                source
            };
            let need_rmap_locks = self.vma(id).pgoff() <= source_pgoff;
            return Ok(CopiedVma {
                id,
                source,
                need_rmap_locks,
                merged: true,
            });
        }
        let id = self.duplicate_at(pages, source, range, pgoff)?;
        Ok(CopiedVma {
            id,
            source,
            need_rmap_locks: false,
            merged: false,
        })
    }

    fn merge_copy(
        &mut self,
        pages: &mut dyn PageOps,
        source: VmaId,
        range: PageRange,
        pgoff: PageOffset,
    ) -> Option<VmaId> {
        // The attributes are copied: the request must not borrow the VMA that may go.
        let vma = self.vma(source);
        let name = vma.anon_name().cloned();
        let attributes = Attributes {
            flags: vma.flags(),
            backing: vma.backing(),
            uffd: vma.uffd(),
            policy: vma.policy(),
            anon_name: name.as_ref(),
        };
        let request = NewRangeRequest {
            range,
            pgoff,
            attributes,
            copied_from: Some(source),
            just_expand: false,
        };
        // A merge that memory is too short for is a merge that does not happen.
        self.merge_new_range(pages, &request).unwrap_or(None)
    }

    fn duplicate_at(
        &mut self,
        pages: &mut dyn PageOps,
        source: VmaId,
        range: PageRange,
        pgoff: PageOffset,
    ) -> Result<VmaId, NoMemory> {
        self.reserve_vma()?;
        self.anon_vmas.reserve_clone(self.vma(source), &self.fail)?;
        let source = self.vma(source);
        let mut copy = source.duplicate(range, pgoff);
        self.anon_vmas.clone_reserved(&mut copy, source);
        Ok(self.link_vma(pages, copy))
    }
}
