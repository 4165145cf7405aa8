//! madvise, and the calls that only look: msync, mincore.

use sim_core::{Advice, Errno, PAGE_SIZE, SyscallRange, VmFlags};

use super::Stop;
use super::admit::is_about_flags;
use super::change::whole_pages;
use super::page::Page;
use super::rules::Rules;
use super::space::{Pages, Space};
use super::touch::World;

impl Space {
    pub(super) fn madvise(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        advice: Advice,
    ) -> Result<u64, Stop> {
        if matches!(
            advice,
            Advice::Hwpoison | Advice::SoftOffline | Advice::Other(_)
        ) {
            return Err(Errno::EINVAL.into());
        }
        let Some(pages) = whole_pages(range)? else {
            return Ok(0);
        };
        let done = match advice {
            Advice::Collapse => return Err(Stop::Unknown("collapsing")),
            Advice::PopulateRead | Advice::PopulateWrite => {
                let write = advice == Advice::PopulateWrite;
                self.touch_is_known(world.rules, pages, |_| write)?;
                self.madvise_populate(world, pages, write)
            }
            Advice::GuardInstall => {
                // A write-protection marker in shared memory is never given up.
                let stuck =
                    |page: &Page| !page.map.is_anon() && (self.marked || page.uffd.is_some());
                if self.within(pages).any(|run| stuck(&run.page)) {
                    return Err(Stop::Unknown("markers of a userfaultfd"));
                }
                self.are_few(pages)?;
                self.guard(world, pages)
            }
            Advice::GuardRemove => self.madvise_pages(pages, advice, |space, part| {
                space.unguard(part);
                Ok(())
            }),
            Advice::Remove => self.remove(world, pages),
            flags if is_about_flags(flags) => self.madvise_flags(world.rules, pages, flags),
            other => self.madvise_pages(pages, other, |_, _| Ok(())),
        };
        done.map_err(Stop::Errno).map(|()| 0)
    }

    fn guard(&mut self, world: &mut World<'_>, pages: Pages) -> Result<(), Errno> {
        let rules = world.rules;
        let marks = rules.features.maybe_guard;
        let anons = &mut *world.anons;
        self.madvise_pages(pages, Advice::GuardInstall, |space, part| {
            if marks {
                space.page_mut(part.0).flags |= VmFlags::MAYBE_GUARD;
            }
            if !marks || space.mapped(part.0).page.map.is_anon() {
                space.prepare(rules, anons, part.0);
            }
            space.guards.insert(part.0..part.1);
            Ok(())
        })
    }

    /// A hole in each object that is mapped: only whether that is possible.
    fn remove(&mut self, world: &World<'_>, pages: Pages) -> Result<(), Errno> {
        self.madvise_pages(pages, Advice::Remove, |space, (start, end)| {
            let page = &space.mapped(start).page;
            let first = start.wrapping_add(page.delta);
            let bytes = |pages: u64| pages.checked_mul(PAGE_SIZE).ok_or(Errno::EFBIG);
            let file = page.map.file().ok_or(Errno::EINVAL)?;
            let punched = world
                .files
                .punch(file.id, bytes(first)?, bytes(end - start)?);
            punched.unwrap_or(Err(Errno::EINVAL))
        })
    }

    pub(super) fn msync(&self, range: SyscallRange) -> Result<(), Errno> {
        if !range.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        // The length wraps to nothing; an end beyond everything is a hole.
        let len = range.len.page_align();
        let pages = whole_pages(SyscallRange { len, ..range }).map_err(|_| Errno::ENOMEM)?;
        match pages {
            Some(pages) if self.parts(pages).1 => Err(Errno::ENOMEM),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn mincore(&self, rules: &Rules, range: SyscallRange) -> Result<(), Errno> {
        let (addr, len) = (range.addr.get(), range.len.0);
        if !range.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let end = addr
            .checked_add(len)
            .filter(|&end| end <= rules.task_size());
        let end = end.ok_or(Errno::ENOMEM)?.div_ceil(PAGE_SIZE);
        let pages = (addr / PAGE_SIZE, end);
        if pages.0 < pages.1 && self.parts(pages).1 {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }
}
