//! Stacks: growth on a fault below one, and exec's move of the stack.

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{
    AllocKind, Bytes, Errno, FreeTables, MergeCase, MergeDecision, MergePlan, Mm, PAGE_SIZE,
    PageOffset, PageOps, PageRange, TableMove, VirtAddr, VmFlags,
};

use crate::merge::Considered;

/// A stack that is about to grow.
#[derive(Clone, Copy)]
struct Growth {
    to: PageRange,
    pgoff: PageOffset,
    /// By how many pages.
    pages: u64,
}

impl<S: VmaStore> Mm<S> {
    /// The VMA that an access to `addr` is for: the one that contains it, or the stack above it,
    /// grown down to it (`mm/mmap.c: expand_stack()`).
    ///
    /// # Errors
    /// `EFAULT` if there is none; what [`expand_downwards`](Self::expand_downwards) returns.
    pub fn expand_stack(
        &mut self,
        pages: &mut dyn PageOps,
        addr: VirtAddr,
    ) -> Result<VmaId, Errno> {
        let id = self.find_vma(addr).ok_or(Errno::EFAULT)?;
        if addr < self.vma(id).start() {
            self.expand_downwards(pages, id, addr)?;
        }
        Ok(id)
    }

    /// Grows a `GROWSDOWN` VMA down to the page of `addr`, in one step (`mm/vma.c:
    /// expand_downwards()`, 6.18).
    ///
    /// # Errors
    /// `EFAULT` if it does not grow, `EPERM` below `mmap_min_addr`, `ENOMEM` too near to what is
    /// mapped below or beyond a limit. The access gets SIGSEGV.
    pub fn expand_downwards(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        addr: VirtAddr,
    ) -> Result<(), Errno> {
        let _ = pages;
        let vma = self.vma(id);
        if !vma.flags().contains(VmFlags::GROWSDOWN) {
            return Err(Errno::EFAULT);
        }
        let addr = addr.page_down();
        if addr.get() < self.config.lowest_address().get() {
            return Err(Errno::EPERM);
        }
        self.check_stack_gap(id, addr)?;
        self.prepare_growth(id).map_err(|NoMemory| Errno::ENOMEM)?;
        if addr >= self.vma(id).start() {
            return Ok(());
        }
        let growth = self.growth(id, addr)?;
        self.account_growth(id, growth)?;
        let vma = self.vmas.get_mut(id);
        self.store.resize(vma.start(), growth.to);
        vma.set_range(growth.to, growth.pgoff);
        Ok(())
    }

    /// Accessible memory below that is no stack itself keeps the gap.
    fn check_stack_gap(&self, id: VmaId, addr: VirtAddr) -> Result<(), Errno> {
        let Some(prev) = self.prev_of(id).map(|prev| self.vma(prev)) else {
            return Ok(());
        };
        let ignored = prev.flags().contains(VmFlags::GROWSDOWN) || !prev.flags().is_accessible();
        let gap = self.config.limits.stack_guard_gap.saturating_mul(PAGE_SIZE);
        // An address in `prev` gives a huge distance in Linux's unsigned arithmetic; nobody asks.
        let distance = addr.get().wrapping_sub(prev.end().get());
        if ignored || distance >= gap {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    fn prepare_growth(&self, id: VmaId) -> Result<(), NoMemory> {
        self.fail.alloc(AllocKind::TreeNodes)?;
        self.anon_vma_prepare(id)
    }

    fn growth(&self, id: VmaId, addr: VirtAddr) -> Result<Growth, Errno> {
        let vma = self.vma(id);
        let pages = (vma.start() - addr).pages();
        let pgoff = vma.pgoff().get().checked_sub(pages).ok_or(Errno::ENOMEM)?;
        Ok(Growth {
            to: PageRange::new(addr, vma.end()),
            pgoff: PageOffset::new(pgoff),
            pages,
        })
    }

    /// Limits, commit charge and counters (`acct_stack_growth()`).
    fn account_growth(&mut self, id: VmaId, growth: Growth) -> Result<(), Errno> {
        let flags = self.vma(id).flags();
        let stack_limit = self.config.limits.stack;
        let fits = self.may_expand_vm(flags, growth.pages)
            && stack_limit.is_none_or(|limit| growth.to.len() <= limit)
            && self.mlock_future_ok(flags, growth.pages);
        if !fits {
            return Err(Errno::ENOMEM);
        }
        self.charge(growth.pages)?;
        self.counters.add(flags, growth.pages);
        if flags.contains(VmFlags::LOCKED) {
            self.counters.locked_vm += growth.pages;
        }
        Ok(())
    }

    /// Moves a VMA with its pages down by `shift` (exec's stack; `mm/vma_exec.c:
    /// relocate_vma_down()`, 6.18). Its offset stays.
    ///
    /// DEVIATION: while it covers both places it counts as large as it is, so that the counters are
    /// right if that is where it ends; Linux takes too much off when the process is killed.
    ///
    /// # Errors
    /// `EFAULT` if something is mapped in between, `ENOMEM`; the process is to be killed then.
    pub fn relocate_vma_down(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        shift: Bytes,
    ) -> Result<(), Errno> {
        let old = self.vma(id).range();
        let pgoff = self.vma(id).pgoff();
        let start = old.start().checked_sub(shift).ok_or(Errno::EFAULT)?;
        let new = PageRange::new(start, old.end() - shift);
        if self.find_vma(new.start()) != Some(id) {
            return Err(Errno::EFAULT);
        }
        let flags = self.vma(id).flags();
        let extra = (old.start() - new.start()).pages();
        self.cover(pages, id, PageRange::new(new.start(), old.end()))?;
        self.counters.add(flags, extra);
        self.commit.charge_unchecked(extra);
        let down = TableMove {
            from: old,
            to: new.start(),
            rmap_locks: false,
        };
        let vma = self.vma(id);
        pages
            .move_tables(vma, vma, down)
            .map_err(|_| Errno::ENOMEM)?;
        let ceiling = self.next_of(id).map(|next| self.vma(next).start());
        pages.free_tables(FreeTables {
            range: PageRange::new(new.end().max(old.start()), old.end()),
            floor: new.end(),
            ceiling,
        });
        self.shrink_vma(pages, id, new)
            .map_err(|NoMemory| Errno::ENOMEM)?;
        self.vma_mut(id).set_range(new, pgoff);
        self.counters.sub(flags, extra);
        self.uncharge(extra);
        Ok(())
    }

    /// Lets a VMA cover old and new place, its offset kept (`vma_expand()`).
    fn cover(&mut self, pages: &mut dyn PageOps, id: VmaId, range: PageRange) -> Result<(), Errno> {
        let vma = self.vma(id);
        let considered = Considered {
            range,
            existing: true,
            flags: vma.flags(),
            scene: None,
        };
        let decision = MergeDecision {
            plan: Some(MergePlan {
                case: MergeCase::GrowNext { next: id },
                becomes: range,
                pgoff: vma.pgoff(),
                sticky: VmFlags::empty(),
                anon_vma_from: None,
            }),
            left: Ok(()),
            right: Ok(()),
        };
        self.apply_merge(pages, &decision, considered)
            .map(drop)
            .map_err(|NoMemory| Errno::ENOMEM)
    }
}
