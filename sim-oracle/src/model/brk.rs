//! brk.

use sim_core::{Backing, Errno, MapFlags, PAGE_SIZE, VmFlags};

use super::merge::Wish;
use super::page::Page;
use super::place::Wanted;
use super::rules::Rules;
use super::space::{Pages, Space};

impl Space {
    /// The break afterwards, and what is to be populated.
    pub(super) fn sys_brk(&mut self, rules: &Rules, to: u64) -> (u64, Option<Pages>) {
        match self.move_brk(rules, to) {
            Ok(populate) => {
                self.brk = to;
                (to, populate)
            }
            Err(_) => (self.brk, None),
        }
    }

    fn move_brk(&mut self, rules: &Rules, to: u64) -> Result<Option<Pages>, Errno> {
        let size = to.checked_sub(self.start_brk).ok_or(Errno::ENOMEM)?;
        if rules.data_bytes.is_some_and(|limit| size > limit.0) {
            return Err(Errno::ENOMEM);
        }
        let new = to
            .checked_next_multiple_of(PAGE_SIZE)
            .ok_or(Errno::ENOMEM)?
            / PAGE_SIZE;
        let old = self.brk.div_ceil(PAGE_SIZE);
        if new == old {
            return Ok(None);
        }
        if to <= self.brk {
            if !self.is_used((new, old)) {
                return Err(Errno::ENOMEM);
            }
            self.unmap(rules, (new, old))?;
            return Ok(None);
        }
        self.grow_heap(rules, (old, new))?;
        Ok(self
            .def_flags
            .contains(VmFlags::LOCKED)
            .then_some((old, new)))
    }

    fn grow_heap(&mut self, rules: &Rules, pages: Pages) -> Result<(), Errno> {
        let count = pages.1 - pages.0;
        let wanted = Wanted {
            addr: pages.0 * PAGE_SIZE,
            len: count * PAGE_SIZE,
            pgoff: 0,
            flags: MapFlags::FIXED,
            map: Backing::Anon,
            unborn: false,
        };
        self.place(rules, &wanted)?;
        if !self.may_lock(rules, self.def_flags, count) {
            return Err(Errno::EAGAIN);
        }
        let next = self.after(pages.0);
        let reach = (pages.1 + 1) * PAGE_SIZE;
        let blocked = next < self.runs.len() && reach > self.start_gap(rules, next);
        let flags =
            VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_FLAGS | VmFlags::ACCOUNT | self.def_flags;
        let refused = blocked
            || !self.has_room(rules, flags, count)
            || self.runs.len() > rules.max_map_count
            || count > rules.commit;
        if refused {
            return Err(Errno::ENOMEM);
        }
        let page = Page::new(flags, Backing::Anon, 0);
        let wish = Wish {
            pages,
            page: &page,
            anon: None,
            forked: false,
        };
        // Of an empty heap there is nothing to extend.
        let extends = pages.0 * PAGE_SIZE > self.start_brk && self.ending(pages.0).is_some();
        if !(extends && self.merge_new(rules, &wish, None, true)) {
            self.put(pages, page);
        }
        if rules.soft_dirty {
            self.page_mut(pages.0).flags |= VmFlags::SOFTDIRTY;
        }
        Ok(())
    }
}
