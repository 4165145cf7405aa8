//! `MADV_WILLNEED` (`mm/madvise.c: madvise_willneed()`, 6.19).

use sim_core::{MappedKind, PageRange, Vma};
use sim_pagetable::Arch;

use crate::file::readahead;
use crate::pager::Pager;

impl<A: Arch> Pager<'_, A> {
    /// Reads what a part of a VMA maps of a file into the page cache. Shared memory in swap stays
    /// there until it is touched.
    pub(super) fn will_need(&self, vma: &Vma, part: PageRange) {
        let Some(file) = vma.file().filter(|file| file.kind == MappedKind::Regular) else {
            self.shared.drain_lru();
            return;
        };
        if let Some(object) = self.shared.files.get(file.id) {
            let first = vma.pgoff_of(part.start()).get();
            readahead::will_need(self.shared, &object, (first, first + part.pages()));
        }
    }
}
