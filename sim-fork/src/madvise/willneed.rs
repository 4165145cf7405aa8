//! `MADV_WILLNEED` (`mm/madvise.c: madvise_willneed()`, 6.19).

use sim_core::{MappedKind, PageRange, Vma};
use sim_pagetable::Arch;

use crate::file::readahead;
use crate::pager::Pager;

impl<A: Arch> Pager<'_, A> {
    /// Reads what a part of a VMA maps of a file into the page cache, and what is in swap of
    /// anonymous or of shared memory into the swap cache.
    pub(super) fn will_need(&self, vma: &Vma, part: PageRange) {
        let Some(file) = vma.file() else {
            self.read_ahead_swap(part);
            self.shared.drain_lru();
            return;
        };
        let Some(object) = self.shared.files.get(file.id) else {
            return;
        };
        let first = vma.pgoff_of(part.start()).get();
        let pages = (first, first + part.pages());
        match file.kind {
            MappedKind::Regular => {
                let end = object.lock().size_in_pages().min(pages.1);
                self.read_all(&object, pages.0..end);
            }
            MappedKind::Memfd | MappedKind::DevZero => {
                readahead::read_ahead_swap(self.shared, &object, pages);
                self.shared.drain_lru();
            }
            MappedKind::Pfnmap | MappedKind::Mixedmap => {}
        }
    }
}
