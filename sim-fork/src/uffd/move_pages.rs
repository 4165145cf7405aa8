//! `UFFDIO_MOVE` (`mm/userfaultfd.c: move_pages()`, 6.18).

use sim_core::store::{VmaId, VmaStore};
use sim_core::{
    Errno, Mm, Outcome, PMD_SIZE, PageRange, SyscallRange, UffdCtxId, VirtAddr, VmFlags, Vma,
};
use sim_pagetable::{Arch, Entry, FrameFlags, Leaf, PmdSlot};

use super::fill::{table_of, vma_for_anon};
use super::move_entry::{self, Moved};
use super::range::{Stop, outcome, whole_pages};
use super::register::userfaultfd;
use crate::machine::Machine;
use crate::pager::{Pager, Seen};
use crate::process::Process;
use crate::reclaim;
use crate::thp;
use crate::thp::folio::{Folio, Held};
use crate::va::va;

/// Moves private pages to a range without any, ascending, up to the first that cannot be moved.
pub(crate) fn move_pages<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
    from: VirtAddr,
) -> Outcome {
    let checked = {
        let mm = process.space.read();
        whole_pages(&mm, range).and_then(|to| {
            let from = whole_pages(&mm, SyscallRange::new(from, range.len))?;
            Ok((to, from))
        })
    };
    let (to, from) = match checked {
        Ok(ranges) => ranges,
        Err(errno) => return Outcome::Errno(errno),
    };
    let mut work = Work { to, from, done: 0 };
    loop {
        match work.go(machine, process) {
            Err(Stop::NoMemory)
                if !machine.shared().injected() && reclaim::for_allocation(machine) => {}
            stopped @ (Ok(()) | Err(_)) => return outcome(work.done, stopped),
        }
    }
}

/// A request under way.
struct Work {
    to: PageRange,
    from: PageRange,
    /// Pages moved.
    done: u64,
}

/// Where a move goes and where it comes from.
pub(super) struct Ends<'a> {
    /// The VMA that gets pages.
    pub(super) to: &'a Vma,
    /// The VMA that loses them.
    pub(super) from: &'a Vma,
}

impl Work {
    fn go<A: Arch, S: VmaStore>(
        &mut self,
        machine: &Machine<A, S>,
        process: &Process<A, S>,
    ) -> Result<(), Stop> {
        let space = &*process.space;
        let uffd = userfaultfd(machine.shared(), space);
        let pager = Pager::new(machine.shared(), &space.pages);
        let mm = space.read();
        let to = vma_for_anon(&mm, self.to.start())?;
        let from = find_source(&mm, to, self.from.start())?;
        let ends = Ends {
            to: mm.vma(to),
            from: mm.vma(from),
        };
        self.check_ranges(&ends)?;
        check_vmas(&pager, &ends, uffd.context)?;
        while self.done < self.to.pages() {
            self.done += self.step(machine, &pager, &ends)?;
        }
        Ok(())
    }

    fn check_ranges(&self, ends: &Ends<'_>) -> Result<(), Errno> {
        let shared = (ends.from.flags() | ends.to.flags()).contains(VmFlags::SHARED);
        if shared || self.from.end() > ends.from.end() || self.to.end() > ends.to.end() {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Moves a page, or 2 MiB; how many pages. None if a huge page had to be split first.
    fn step<A: Arch, S: VmaStore>(
        &self,
        machine: &Machine<A, S>,
        pager: &Pager<'_, A>,
        ends: &Ends<'_>,
    ) -> Result<u64, Stop> {
        let from = self.from.start().add_pages(self.done);
        let to = self.to.start().add_pages(self.done);
        let tables = pager.tables();
        if tables.pmd(va(from)).is_none() {
            return Err(Errno::ENOENT.into());
        }
        drop(tables.pmd_alloc(va(to))?);
        let target = pager.seen(va(to));
        if matches!(target, Seen::Huge(_)) {
            return Err(Errno::EEXIST.into());
        }
        match pager.seen(va(from)) {
            Seen::Absent => Err(Errno::ENOENT.into()),
            Seen::Pte(_) => {
                drop(table_of(pager, to)?);
                match move_entry::move_entry(pager, ends, to, from)? {
                    Moved::Yes => Ok(1),
                    Moved::Large(pfn) => {
                        let folio = Folio::mapped_at(pager.frames(), ends.from, from, pfn);
                        let split = thp::folio::split(machine, folio, Held::Mmap);
                        if split {
                            Ok(0)
                        } else {
                            Err(Errno::EBUSY.into())
                        }
                    }
                }
            }
            Seen::Huge(entry) => {
                let whole = from.is_pmd_aligned()
                    && to.is_pmd_aligned()
                    && self.to.pages() - self.done >= sim_core::PMD_PAGES;
                if whole && matches!(target, Seen::Absent) {
                    move_huge(pager, ends, to, from)?;
                    return Ok(PMD_SIZE / sim_core::PAGE_SIZE);
                }
                if !may_move_huge(pager, entry) {
                    return Err(Errno::EBUSY.into());
                }
                thp::mapping::split(pager, ends.from, va(from));
                Ok(0)
            }
        }
    }
}

/// The VMA of the source, which may be the target's.
fn find_source<S: VmaStore>(mm: &Mm<S>, to: VmaId, at: VirtAddr) -> Result<VmaId, Stop> {
    if mm.vma(to).range().contains(at) {
        return Ok(to);
    }
    let id = mm.find_vma(at).filter(|&id| mm.vma(id).start() <= at);
    Ok(id.ok_or(Errno::ENOENT)?)
}

/// `mm/userfaultfd.c: validate_move_areas()`.
fn check_vmas<A: Arch>(
    pager: &Pager<'_, A>,
    ends: &Ends<'_>,
    context: UffdCtxId,
) -> Result<(), Errno> {
    let (to, from) = (ends.to, ends.from);
    let changed = to.flags().symmetric_difference(from.flags());
    let alike = VmFlags::READ | VmFlags::WRITE | VmFlags::EXEC | VmFlags::LOCKED;
    let raw = VmFlags::PFNMAP | VmFlags::IO | VmFlags::HUGETLB | VmFlags::MIXEDMAP;
    let movable = !changed.intersects(alike)
        && pager.page_prot(to) == pager.page_prot(from)
        && from.flags().contains(VmFlags::WRITE)
        && !(to.flags() | from.flags()).intersects(raw)
        && to.uffd() == Some(context)
        && to.is_anon()
        && from.is_anon();
    if movable { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Is it the huge zero page, or one that only this process can reach?
fn may_move_huge<A: Arch>(pager: &Pager<'_, A>, entry: Entry<A>) -> bool {
    entry.pfn().is_none_or(|head| {
        head.is_zero_page() || pager.frames().meta(head).has(FrameFlags::ANON_EXCLUSIVE)
    })
}

/// Moves a huge entry with its deposited table (`mm/huge_memory.c: move_pages_huge_pmd()`).
fn move_huge<A: Arch>(
    pager: &Pager<'_, A>,
    ends: &Ends<'_>,
    to: VirtAddr,
    from: VirtAddr,
) -> Result<(), Stop> {
    let Leaf::Huge(source) = pager.tables().leaf(va(from)) else {
        return Ok(());
    };
    let old = source.entry();
    let Some(head) = old.pfn() else {
        return Err(Errno::EFAULT.into());
    };
    if !may_move_huge(pager, old) {
        return Err(Errno::EBUSY.into());
    }
    let mut new = Entry::huge(head, pager.page_prot(ends.to));
    if head.is_zero_page() {
        new = if old.is_special() {
            new.mk_special()
        } else {
            new
        };
    } else {
        new = new.mk_dirty().mk_write();
    }
    let (_, deposit) = source.remove_huge(true);
    drop(source);
    let target: PmdSlot<'_, A> = pager.tables().pmd_alloc(va(to))?;
    target.install_huge(new, deposit);
    Ok(())
}
