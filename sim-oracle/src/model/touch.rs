//! Touching pages: only whether that is allowed, and whether the VMA gets its anon_vma by it.
//!
//! What is in a page is not the model's business. Where an outcome hangs on that (userfaultfd,
//! devices, huge pages at a read), the model says that it does not know, before anything is done.

use sim_core::{Access, Errno, PAGE_SIZE, PMD_PAGES, Signal, SyscallRange, ThpEnabled, VmFlags};

use super::anon::Anons;
use super::files::Files;
use super::page::Page;
use super::rules::Rules;
use super::space::{Pages, Run, Space};

/// What faults need beside the address space.
pub(super) struct World<'a> {
    pub(super) rules: &'a Rules,
    pub(super) files: &'a mut Files,
    pub(super) anons: &'a mut Anons,
    pub(super) next_uffd: &'a mut u32,
}

/// More pages are not touched in one call: a machine's memory is not that large.
pub(super) const MANY_PAGES: u64 = 1 << 18;

/// Why the outcome of touching a page is not known here.
pub(super) type Unknown = &'static str;

/// Does the kernel, populating such memory, write to it?
const fn populated_by_write(page: &Page) -> bool {
    page.has(VmFlags::WRITE) && !page.has(VmFlags::SHARED)
}

/// May there be huge pages?
fn huge_is_wanted(rules: &Rules, page: &Page) -> bool {
    match rules.thp {
        ThpEnabled::Always => !page.has(VmFlags::NOHUGEPAGE),
        ThpEnabled::Madvise => page.has(VmFlags::HUGEPAGE),
        ThpEnabled::Never => false,
    }
}

/// Might a huge page at a read bring an anon_vma? It does if there is no page table yet.
fn huge_by_read(rules: &Rules, page: &Page) -> bool {
    page.map.is_anon() && page.anon.is_none() && huge_is_wanted(rules, page)
}

/// Is the effect of reading or writing these pages of a run known?
fn run_is_known(rules: &Rules, run: &Run, pages: Pages, writes: bool) -> Result<(), Unknown> {
    let page = &run.page;
    if page.uffd.is_some() {
        return Err("what is in memory with a userfaultfd");
    }
    if page.any(VmFlags::PFNMAP | VmFlags::MIXEDMAP) {
        return Err("what is in a device's memory");
    }
    if !writes && huge_by_read(rules, page) {
        let (first, last) = (pages.0.max(run.start), pages.1.min(run.end));
        let low = (first / PMD_PAGES * PMD_PAGES)
            .max(run.start)
            .next_multiple_of(PMD_PAGES);
        if low < last && low + PMD_PAGES <= run.end {
            return Err("whether a read brings a huge page");
        }
    }
    Ok(())
}

impl Space {
    /// Are there few enough mapped pages to go through them one by one?
    pub(super) fn are_few(&self, (start, end): Pages) -> Result<(), Unknown> {
        let parts = self.within((start, end));
        let count: u64 = parts
            .map(|run| run.end.min(end) - run.start.max(start))
            .sum();
        if count > MANY_PAGES {
            return Err("what so much memory comes to");
        }
        Ok(())
    }

    /// Is it known what touching these pages does, whether or not a stack grows by it?
    pub(super) fn touch_is_known(
        &self,
        rules: &Rules,
        pages: Pages,
        writes: impl Fn(&Page) -> bool,
    ) -> Result<(), Unknown> {
        self.are_few(pages)?;
        let lost = |run: &Run| {
            let (start, end) = (run.start.max(pages.0), run.end.min(pages.1));
            run.page.anon.is_none() && self.adrift.overlaps(&(start..end))
        };
        if !self.adrift.is_empty() && self.within(pages).any(lost) {
            return Err("pages that lost their anon_vma");
        }
        // A stack above may grow down to them.
        let above = self.runs.get(self.after(pages.1.saturating_sub(1)));
        let stack = above.filter(|run| run.page.has(VmFlags::GROWSDOWN) && run.start >= pages.1);
        self.within(pages)
            .chain(stack)
            .try_for_each(|run| run_is_known(rules, run, pages, writes(&run.page)))
    }

    /// Is it known what populating these pages does?
    pub(super) fn populate_is_known(&self, rules: &Rules, pages: Pages) -> Result<(), Unknown> {
        // VMAs may change before that: whether a huge page fits is not asked.
        let read_huge = |page: &Page| huge_by_read(rules, page) && !populated_by_write(page);
        if self.within(pages).any(|run| read_huge(&run.page)) {
            return Err("whether reads bring huge pages");
        }
        self.touch_is_known(rules, pages, populated_by_write)
    }

    /// A program's own access to every page of a range.
    pub(super) fn access(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        access: Access,
    ) -> Result<(), Signal> {
        let (first, end) = touched_pages(range);
        (first..end).try_for_each(|page| {
            self.find_for_access(world, page)?;
            let flags = self.mapped(page).page.flags;
            match access {
                Access::Read if !flags.is_accessible() => Err(Signal::SIGSEGV),
                Access::Read => self.fault(world, page, false),
                Access::Write(_) if !flags.contains(VmFlags::WRITE) => Err(Signal::SIGSEGV),
                Access::Write(_) => self.fault(world, page, true),
                Access::Exec => self.fetch(world, page),
            }
        })
    }

    /// An instruction fetch. x86 faults a page in before it sees that it must not be executed.
    fn fetch(&mut self, world: &mut World<'_>, page: u64) -> Result<(), Signal> {
        let flags = self.mapped(page).page.flags;
        let x86 = world.rules.arch == sim_core::Arch::X86_64;
        if flags.contains(VmFlags::EXEC) {
            self.fault(world, page, false)
        } else if x86 && flags.is_accessible() {
            self.fault(world, page, false).and(Err(Signal::SIGSEGV))
        } else {
            Err(Signal::SIGSEGV)
        }
    }

    /// The page is mapped, or the stack above grows down to it.
    fn find_for_access(&mut self, world: &mut World<'_>, page: u64) -> Result<(), Signal> {
        let index = self.after(page);
        let run = self.runs.get(index).ok_or(Signal::SIGSEGV)?;
        if run.start <= page {
            return Ok(());
        }
        self.grow_down(world, index, page)
            .map_err(|_| Signal::SIGSEGV)
    }

    fn grow_down(&mut self, world: &mut World<'_>, index: usize, to: u64) -> Result<(), Errno> {
        let rules = world.rules;
        let run = &self.runs[index];
        let (start, flags) = (run.start, run.page.flags);
        if !flags.contains(VmFlags::GROWSDOWN) {
            return Err(Errno::EFAULT);
        }
        if to * PAGE_SIZE < rules.lowest {
            return Err(Errno::EPERM);
        }
        let below = index.checked_sub(1).map(|below| &self.runs[below]);
        let in_the_way = below.is_some_and(|below| {
            let counts = below.page.flags.is_accessible() && !below.page.has(VmFlags::GROWSDOWN);
            counts && to - below.end < rules.stack_gap
        });
        if in_the_way {
            return Err(Errno::ENOMEM);
        }
        self.prepare(rules, world.anons, start);
        let grown = start - to;
        let run = &self.runs[index];
        let offset = start.wrapping_add(run.page.delta);
        let size = (run.end - to) * PAGE_SIZE;
        let fits = offset >= grown
            && self.has_room(rules, flags, grown)
            && rules.stack.is_none_or(|limit| size <= limit.0)
            && self.may_lock(rules, flags, grown)
            && grown <= rules.commit;
        if !fits {
            return Err(Errno::ENOMEM);
        }
        self.runs[index].start = to;
        Ok(())
    }

    /// A fault at a page whose VMA allows it.
    fn fault(&mut self, world: &mut World<'_>, page: u64, write: bool) -> Result<(), Signal> {
        if self.guards.contains(&page) {
            return Err(Signal::SIGSEGV);
        }
        let attributes = &self.mapped(page).page;
        let object = attributes.map.file().map(|file| file.id);
        let index = page.wrapping_add(attributes.delta);
        // Room for the copy is found before the object is asked.
        if write && attributes.is_private() {
            self.prepare(world.rules, world.anons, page);
        }
        let there = |id| {
            world
                .files
                .get(id)
                .is_some_and(|object| object.has_page(index))
        };
        if object.is_none_or(there) {
            Ok(())
        } else {
            Err(Signal::SIGBUS)
        }
    }

    /// Populates part of one VMA.
    pub(super) fn populate_part(
        &mut self,
        world: &mut World<'_>,
        (start, end): Pages,
    ) -> Result<(), Errno> {
        let page = &self.mapped(start).page;
        if page.has(VmFlags::LOCKONFAULT) {
            return Ok(());
        }
        if !page.flags.is_accessible() {
            return Err(Errno::EFAULT);
        }
        let write = populated_by_write(page);
        self.fault_in(world, (start, end), write)
    }

    fn fault_in(
        &mut self,
        world: &mut World<'_>,
        (start, end): Pages,
        write: bool,
    ) -> Result<(), Errno> {
        (start..end).try_for_each(|page| {
            self.fault(world, page, write)
                .map_err(|_signal| Errno::EFAULT)
        })
    }

    /// Populates whatever is mapped among the pages, to the first error or through all of them.
    pub(super) fn populate(
        &mut self,
        world: &mut World<'_>,
        pages: Pages,
        stop: bool,
    ) -> Result<(), Errno> {
        for part in self.parts(pages).0 {
            if self.mapped(part.0).page.any(VmFlags::IO | VmFlags::PFNMAP) {
                continue;
            }
            let done = self.populate_part(world, part);
            if stop {
                done?;
            }
        }
        Ok(())
    }

    /// `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE`.
    pub(super) fn madvise_populate(
        &mut self,
        world: &mut World<'_>,
        (start, end): Pages,
        write: bool,
    ) -> Result<(), Errno> {
        let needed = if write { VmFlags::WRITE } else { VmFlags::READ };
        let mut at = start;
        while at < end {
            let run = &self.runs[self.at(at).ok_or(Errno::ENOMEM)?];
            let raw = run.page.any(VmFlags::IO | VmFlags::PFNMAP);
            if raw || !run.page.has(needed) {
                return Err(Errno::EINVAL);
            }
            let part = (at, end.min(run.end));
            self.fault_in(world, part, write)?;
            at = part.1;
        }
        Ok(())
    }
}

/// Pages that have a byte of the range, by number.
pub(super) fn touched_pages(range: SyscallRange) -> Pages {
    let (addr, len) = (range.addr.get(), range.len.0);
    if len == 0 {
        return (0, 0);
    }
    (
        addr / PAGE_SIZE,
        addr.saturating_add(len - 1) / PAGE_SIZE + 1,
    )
}
