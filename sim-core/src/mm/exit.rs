//! The end of an address space.

use crate::store::VmaStore;
use crate::{FreeTables, Mm, PageOps, PageRange, VirtAddr, VmFlags};

impl<S: VmaStore> Mm<S> {
    /// Unmaps everything (`mm/mmap.c: exit_mmap()`): exit, execve.
    pub fn exit(&mut self, pages: &mut dyn PageOps) {
        let all: Vec<_> = self.iter().map(|(id, _)| id).collect();
        let (Some(&first), Some(&last)) = (all.first(), all.last()) else {
            return;
        };
        let range = PageRange::new(self.vma(first).start(), self.vma(last).end());
        for &id in &all {
            self.start_write(id);
            pages.unmap(self.vma(id), self.vma(id).range());
        }
        pages.free_tables(FreeTables {
            range,
            floor: VirtAddr::ZERO,
            ceiling: None,
        });
        for id in all {
            let vma = self.vma(id);
            let (flags, count) = (vma.flags(), vma.pages());
            if flags.contains(VmFlags::ACCOUNT) {
                self.uncharge(count);
            }
            self.counters.sub(flags, count);
            self.remove_vma(pages, id);
        }
        self.counters.locked_vm = 0;
        self.counters.stray_locked = 0;
    }
}
