//! munmap, and making room for fixed mappings.

use sim_core::{Errno, PAGE_SIZE, SyscallRange, VmFlags};

use super::rules::Rules;
use super::space::{Pages, Space};

impl Space {
    pub(super) fn munmap(&mut self, rules: &Rules, range: SyscallRange) -> Result<(), Errno> {
        let (addr, len) = (range.addr.get(), range.len.0);
        let room = rules.task_size().checked_sub(addr);
        if !addr.is_multiple_of(PAGE_SIZE) || room.is_none_or(|room| len > room) || len == 0 {
            return Err(Errno::EINVAL);
        }
        let start = addr / PAGE_SIZE;
        self.unmap(rules, (start, start + len.div_ceil(PAGE_SIZE)))
    }

    /// Nothing is mapped there afterwards.
    pub(super) fn unmap(&mut self, rules: &Rules, pages: Pages) -> Result<(), Errno> {
        self.make_room(rules, pages)?;
        self.drop_pages(pages);
        Ok(())
    }

    /// Draws boundaries around what is to go; at a sealed page it stops, and those drawn stay.
    pub(super) fn make_room(&mut self, rules: &Rules, (start, end): Pages) -> Result<(), Errno> {
        if let Some(index) = self.at(start)
            && self.runs[index].start < start
        {
            let run = &self.runs[index];
            // Only a hole makes one VMA more in the end.
            if end < run.end && self.runs.len() >= rules.max_map_count {
                return Err(Errno::ENOMEM);
            }
            if run.page.has(VmFlags::SEALED) {
                return Err(Errno::EPERM);
            }
            self.cut(start);
        }
        if self
            .within((start, end))
            .any(|run| run.page.has(VmFlags::SEALED))
        {
            return Err(Errno::EPERM);
        }
        self.cut(end);
        Ok(())
    }

    pub(super) fn drop_pages(&mut self, pages: Pages) {
        self.erase(pages);
        self.unguard(pages);
        if !self.adrift.is_empty() {
            self.adrift.remove(pages.0..pages.1);
        }
    }
}
