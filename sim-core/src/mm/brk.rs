//! `brk`: mm/mmap.c: `SYSCALL_DEFINE1(brk)`, mm/vma.c: `do_brk_flags()`, 6.18.

use super::{DetachedVmas, Mapped};
use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{
    AreaRequest, Attributes, Backing, Bytes, Errno, MapFlags, Mm, NewRangeRequest, PAGE_SIZE,
    PageOffset, PageOps, PageRange, VirtAddr, VmFlags, Vma,
};

/// The heap and stack fields of an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BrkFields {
    /// Where the heap starts.
    pub start_brk: VirtAddr,
    /// Where it ends.
    pub brk: VirtAddr,
    /// Where the stack starts.
    pub start_stack: VirtAddr,
}

/// What moving the break did.
#[derive(Debug)]
enum Moved {
    /// It stays in its page.
    Nowhere,
    /// Memory was mapped; what is to be populated.
    Up(Option<PageRange>),
    /// Memory is to be unmapped.
    Down(DetachedVmas),
}

/// Flags of heap memory, beside the mm's default ones.
const HEAP_FLAGS: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::MAY_FLAGS)
    .union(VmFlags::ACCOUNT);

impl<S: VmaStore> Mm<S> {
    /// Heap and stack.
    pub const fn brk_fields(&self) -> &BrkFields {
        &self.brk
    }

    /// Sets heap and stack (exec).
    pub fn set_brk_fields(&mut self, fields: BrkFields) {
        self.brk = fields;
    }

    /// `brk(2)`: the new break, or the unchanged one, whatever the reason.
    pub fn sys_brk(&mut self, pages: &mut dyn PageOps, to: VirtAddr) -> Mapped {
        let (mapped, detached) = self.brk_detach(pages, to);
        if let Some(detached) = detached {
            self.unmap_detached(pages, detached);
        }
        mapped
    }

    /// The part of `brk(2)` that needs mmap_lock for writing: what is left is
    /// [`unmap_detached`](Self::unmap_detached) of what the break went back over.
    pub fn brk_detach(
        &mut self,
        pages: &mut dyn PageOps,
        to: VirtAddr,
    ) -> (Mapped, Option<DetachedVmas>) {
        let unmoved = Mapped {
            addr: self.brk.brk,
            populate: None,
        };
        let Ok(moved) = self.move_brk(pages, to) else {
            return (unmoved, None);
        };
        self.brk.brk = to;
        let (populate, detached) = match moved {
            Moved::Nowhere => (None, None),
            Moved::Up(populate) => (populate, None),
            Moved::Down(detached) => (None, Some(detached)),
        };
        (Mapped { addr: to, populate }, detached)
    }

    /// Maps or unmaps what lies between the old break and the new one.
    fn move_brk(&mut self, pages: &mut dyn PageOps, to: VirtAddr) -> Result<Moved, Errno> {
        if to < self.brk.start_brk || !self.heap_may_be(to - self.brk.start_brk) {
            return Err(Errno::ENOMEM);
        }
        let new = to.page_up().ok_or(Errno::ENOMEM)?;
        let old = self.brk.brk.page_up().ok_or(Errno::ENOMEM)?;
        if old == new {
            return Ok(Moved::Nowhere);
        }
        if to <= self.brk.brk {
            let detached = self.shrink_heap(pages, PageRange::new(new, old))?;
            return Ok(Moved::Down(detached));
        }
        let range = PageRange::new(old, new);
        self.grow_heap(pages, range)?;
        let locked = self.def_flags.contains(VmFlags::LOCKED);
        Ok(Moved::Up(locked.then_some(range)))
    }

    /// `RLIMIT_DATA` (`check_data_rlimit()`; the program's own data is not modelled).
    fn heap_may_be(&self, len: Bytes) -> bool {
        self.config.limits.data.is_none_or(|limit| len <= limit)
    }

    /// Something must be mapped there: not necessarily by brk.
    fn shrink_heap(
        &mut self,
        pages: &mut dyn PageOps,
        range: PageRange,
    ) -> Result<DetachedVmas, Errno> {
        self.find_in(range).ok_or(Errno::ENOMEM)?;
        self.detach_range(pages, range)
    }

    fn grow_heap(&mut self, pages: &mut dyn PageOps, range: PageRange) -> Result<(), Errno> {
        self.check_brk_limits(range)?;
        // A page, and the gap below a stack, are kept free above the heap.
        let reach = range.end() + Bytes::new(PAGE_SIZE);
        let next = self.find_vma(range.start());
        if next.is_some_and(|next| reach > self.start_gap(next)) {
            return Err(Errno::ENOMEM);
        }
        self.do_brk(pages, range)
    }

    /// `check_brk_limits()`.
    fn check_brk_limits(&self, range: PageRange) -> Result<(), Errno> {
        let request = AreaRequest {
            addr: range.start(),
            len: range.len(),
            pgoff: PageOffset::new(0),
            flags: MapFlags::FIXED,
            backing: Backing::Anon,
        };
        self.get_unmapped_area(&request)?;
        if self.mlock_future_ok(self.def_flags, range.pages()) {
            Ok(())
        } else {
            Err(Errno::EAGAIN)
        }
    }

    /// Maps heap memory: the VMA that ends there grows if it can (only that one: the VMA above
    /// never merges), else there is a new one (`do_brk_flags()`).
    fn do_brk(&mut self, pages: &mut dyn PageOps, range: PageRange) -> Result<(), Errno> {
        let flags = HEAP_FLAGS | self.def_flags;
        if !self.may_expand_vm(flags, range.pages()) || self.above_map_limit() {
            return Err(Errno::ENOMEM);
        }
        self.charge(range.pages())?;
        let Ok(id) = self.extend_or_map_heap(pages, range, flags) else {
            self.uncharge(range.pages());
            return Err(Errno::ENOMEM);
        };
        self.counters.total_vm += range.pages();
        self.counters.data_vm += range.pages();
        if flags.contains(VmFlags::LOCKED) {
            self.counters.locked_vm += range.pages();
        }
        if self.config.soft_dirty {
            self.vma_mut(id).insert_flags(VmFlags::SOFTDIRTY);
        }
        Ok(())
    }

    fn extend_or_map_heap(
        &mut self,
        pages: &mut dyn PageOps,
        range: PageRange,
        flags: VmFlags,
    ) -> Result<VmaId, NoMemory> {
        let pgoff = PageOffset::new(range.start().page_number());
        let below = self.around(range.start()).0;
        // It may begin below the heap, if something was mapped over the heap's start.
        let touches = |id: VmaId| {
            let end = self.vma(id).end();
            end == range.start() && end > self.brk.start_brk
        };
        if below.is_some_and(touches) {
            let request = NewRangeRequest {
                range,
                pgoff,
                attributes: Attributes {
                    flags,
                    backing: Backing::Anon,
                    uffd: None,
                    policy: None,
                    anon_name: None,
                },
                copied_from: None,
                just_expand: true,
            };
            if let Some(id) = self.merge_new_range(pages, &request)? {
                return Ok(id);
            }
        }
        self.reserve_vma()?;
        Ok(self.link_vma(pages, Vma::new(range, pgoff, flags, Backing::Anon)))
    }
}
