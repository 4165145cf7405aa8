//! `mremap`: moving, growing and shrinking mappings.
//!
//! ```text
//!  params ──► every VMA of a fixed move of equal size ─┐
//!        └──► the one VMA ─► check ─┬─ new address ────┴─► to(): clear target, shrink, move
//!                                   └─ here ─► shrink: munmap │ same: nothing │ grow: in place or move
//! ```
//!
//! A failure keeps what was done before it: a cleared target stays cleared, a shrunk source stays
//! shrunk, VMAs moved earlier stay moved. Follows mm/mremap.c: `do_mremap()`, 6.18; without the
//! feature `multi_vma_mremap` in the order of checks of 6.16.

mod check;
mod expand;
mod relocate;

use crate::store::{VmaId, VmaStore};
use crate::{
    Bytes, Errno, Mapped, Mm, MremapArgs, MremapFlags, PageOps, PageRange, SyscallRange, VirtAddr,
};

/// How the length changes (`enum mremap_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resize {
    None,
    Shrink,
    Grow,
}

/// A remap under way (`struct vma_remap_struct`); lengths are whole pages.
#[derive(Clone, Copy, Debug)]
struct Remap {
    addr: VirtAddr,
    old_len: Bytes,
    new_len: Bytes,
    flags: MremapFlags,
    new_addr: VirtAddr,
    /// By how much the source was made shorter before it moves.
    shrunk: Bytes,
    /// Pages charged to the commit limit.
    charged: u64,
    /// A locked VMA grows.
    populate: bool,
}

impl Remap {
    fn new(args: &MremapArgs) -> Self {
        Self {
            addr: args.addr,
            old_len: args.old_len.page_align(),
            new_len: args.new_len.page_align(),
            flags: args.flags,
            new_addr: args.new_addr,
            shrunk: Bytes(0),
            charged: 0,
            populate: false,
        }
    }

    const fn has(&self, flag: MremapFlags) -> bool {
        self.flags.contains(flag)
    }

    /// Is the result certainly at another address (`vrm_implies_new_addr()`)?
    const fn implies_new_addr(&self) -> bool {
        self.flags
            .intersects(MremapFlags::FIXED.union(MremapFlags::DONTUNMAP))
    }

    /// `vrm_move_only()`.
    fn is_move_only(&self) -> bool {
        self.has(MremapFlags::FIXED) && self.old_len == self.new_len
    }

    fn resize(&self) -> Resize {
        match self.new_len.cmp(&self.old_len) {
            std::cmp::Ordering::Less => Resize::Shrink,
            std::cmp::Ordering::Equal => Resize::None,
            std::cmp::Ordering::Greater => Resize::Grow,
        }
    }

    /// By how much the length changes.
    fn delta(&self) -> Bytes {
        Bytes::new(self.old_len.get().abs_diff(self.new_len.get()))
    }

    /// Would old and new place overlap (`vrm_overlaps()`)? Ends wrap as Linux's do.
    fn overlaps(&self) -> bool {
        let end = |start: VirtAddr, len: Bytes| start.get().wrapping_add(len.get());
        end(self.addr, self.old_len) > self.new_addr.get()
            && end(self.new_addr, self.new_len) > self.addr.get()
    }

    fn populate_range(&self) -> Option<PageRange> {
        self.populate
            .then(|| PageRange::new(self.new_addr + self.old_len, self.new_addr + self.new_len))
    }
}

impl<S: VmaStore> Mm<S> {
    /// `mremap(2)`.
    ///
    /// # Errors
    /// `EINVAL` for senseless arguments, `EFAULT` where nothing is mapped, the range crosses the
    /// VMA's end, or the VMA must not grow, `EPERM` for a sealed one, `EAGAIN` beyond the memlock
    /// limit, `ENOMEM` beyond the others or without room.
    pub fn mremap(&mut self, pages: &mut dyn PageOps, args: &MremapArgs) -> Result<Mapped, Errno> {
        self.check_mremap_params(args)?;
        let mut remap = Remap::new(args);
        let addr = if self.config.features.multi_vma_mremap && remap.is_move_only() {
            self.remap_every_vma(pages, &mut remap)?
        } else {
            self.remap_one_vma(pages, &mut remap)?
        };
        Ok(Mapped {
            addr,
            populate: remap.populate_range(),
        })
    }

    fn remap_one_vma(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
    ) -> Result<VirtAddr, Errno> {
        let id = self.vma_lookup(remap.addr).ok_or(Errno::EFAULT)?;
        if self.config.features.multi_vma_mremap {
            self.check_prep_vma(id, remap)?;
        } else {
            self.check_prep_vma_legacy(id, remap)?;
        }
        if remap.implies_new_addr() {
            self.remap_to(pages, remap, id)
        } else {
            self.remap_at(pages, remap, id)
        }
    }

    /// Moves all VMAs of the range, gaps kept (`remap_move()`).
    fn remap_every_vma(
        &mut self,
        pages: &mut dyn PageOps,
        whole: &mut Remap,
    ) -> Result<VirtAddr, Errno> {
        let end = whole.addr.checked_add(whole.old_len).ok_or(Errno::EFAULT)?;
        let range = PageRange::new(whole.addr, end);
        let mut first = None;
        let mut target = whole.new_addr;
        let mut from = range.start();
        while from < range.end()
            && let Some(entry) = self.store.find(from)
            && entry.range.start() < range.end()
        {
            let part = entry.range.intersect(range).expect("it is in the range");
            if first.is_none() && part.start() != range.start() {
                return Err(Errno::EFAULT);
            }
            let gap = if first.is_some() {
                entry.range.start() - from
            } else {
                Bytes::new(0)
            };
            let mut remap = Remap {
                addr: part.start(),
                old_len: part.len(),
                new_len: part.len(),
                new_addr: target + gap,
                ..*whole
            };
            let alone = first.is_none() && entry.range.end() >= range.end();
            if !alone && self.vma(entry.id).uffd().is_some() {
                return Err(Errno::EFAULT);
            }
            self.check_prep_vma(entry.id, &mut remap)?;
            let moved = self.remap_to(pages, &mut remap, entry.id)?;
            first.get_or_insert(moved);
            target = moved + part.len();
            from = entry.range.end();
        }
        first.ok_or(Errno::EFAULT)
    }

    /// To an address of its own (`mremap_to()`).
    fn remap_to(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<VirtAddr, Errno> {
        let mut id = id;
        if !self.config.features.multi_vma_mremap {
            self.check_target(remap)?;
        }
        if remap.has(MremapFlags::FIXED) {
            self.unmap_checked(pages, remap.new_addr, remap.new_len)?;
            id = self.vma_lookup(remap.addr).ok_or(Errno::EFAULT)?;
        }
        if remap.resize() == Resize::Shrink {
            self.shrink(pages, remap)?;
            id = self.vma_lookup(remap.addr).ok_or(Errno::EFAULT)?;
            remap.shrunk = remap.delta();
            remap.old_len = remap.new_len;
        }
        if !self.config.features.multi_vma_mremap {
            self.check_remap(id, remap)?;
        }
        if remap.has(MremapFlags::DONTUNMAP) {
            let flags = self.vma(id).flags();
            if !self.may_expand_vm(flags, remap.old_len.pages()) {
                return Err(Errno::ENOMEM);
            }
        }
        self.choose_new_addr(id, remap)?;
        self.move_vma(pages, remap, id)
    }

    /// Where it is, if possible (`mremap_at()`).
    fn remap_at(
        &mut self,
        pages: &mut dyn PageOps,
        remap: &mut Remap,
        id: VmaId,
    ) -> Result<VirtAddr, Errno> {
        match remap.resize() {
            Resize::None => Ok(remap.addr),
            Resize::Shrink => {
                self.shrink(pages, remap)?;
                Ok(remap.addr)
            }
            Resize::Grow => self.expand(pages, remap, id),
        }
    }

    /// Unmaps the tail, which may cross VMAs (`shrink_vma()`).
    fn shrink(&mut self, pages: &mut dyn PageOps, remap: &Remap) -> Result<(), Errno> {
        let tail = remap.addr.checked_add(remap.new_len).ok_or(Errno::EINVAL)?;
        self.unmap_checked(pages, tail, remap.delta())
    }

    /// `do_vmi_munmap()`: an empty range is an error.
    fn unmap_checked(
        &mut self,
        pages: &mut dyn PageOps,
        start: VirtAddr,
        len: Bytes,
    ) -> Result<(), Errno> {
        self.munmap(pages, SyscallRange::new(start, len))
    }
}
