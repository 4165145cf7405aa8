//! Every call on one address space to what carries it out; populating, where the call asks for it.

use sim_core::{
    Access, Advice, Call, Errno, MapFlags, MlockallFlags, MmapArgs, MremapArgs, PAGE_SIZE,
    SyscallRange, ThpEnabled, VmFlags,
};

use super::Stop;
use super::lock::covering;
use super::rules::Rules;
use super::space::{Pages, Space};
use super::touch::{MANY_PAGES, Unknown, World, touched_pages};

/// The pages that a range may be about, at most.
fn covered(range: SyscallRange) -> Pages {
    let (start, count) = covering(range);
    (start, start.saturating_add(count))
}

/// All there are.
fn everything(rules: &Rules) -> Pages {
    (0, rules.task_size() / PAGE_SIZE)
}

/// New memory is populated with huge pages only if they are wanted everywhere.
fn new_memory_is_known(rules: &Rules) -> Result<(), Unknown> {
    if rules.thp == ThpEnabled::Always {
        return Err("where huge pages are wanted everywhere");
    }
    Ok(())
}

/// A call without a value.
fn done(result: Result<(), Errno>) -> Result<u64, Stop> {
    result.map_err(Stop::Errno).map(|()| 0)
}

impl Space {
    pub(super) fn call(&mut self, world: &mut World<'_>, call: &Call) -> Result<u64, Stop> {
        let rules = world.rules;
        match call {
            Call::Mmap(args) => self.call_mmap(world, args),
            Call::Munmap(range) => done(self.munmap(rules, *range)),
            Call::Mprotect { range, prot, pkey } => {
                self.relock_is_known(rules, covered(*range))?;
                done(self.mprotect(world, *range, *prot, *pkey))
            }
            Call::Mremap(args) => self.call_mremap(world, args),
            Call::Brk(to) => self.call_brk(world, to.get()),
            Call::Madvise { range, advice } => self.madvise(world, *range, *advice),
            Call::Reclaim(range) => self.madvise(world, *range, Advice::Pageout),
            Call::Mlock { range, onfault } => self.call_mlock(world, *range, *onfault),
            Call::Munlock(range) => done(self.munlock(rules, *range)),
            Call::Mlockall(flags) => self.call_mlockall(world, *flags),
            Call::Munlockall => {
                self.lock_all(rules, MlockallFlags::empty());
                Ok(0)
            }
            Call::Mseal(range) => done(self.mseal(rules, *range)),
            Call::Msync(range) => done(self.msync(*range)),
            Call::Mincore(range) => done(self.mincore(rules, *range)),
            Call::Mbind { range, policy } => done(self.mbind(rules, *range, *policy)),
            Call::VmaName { range, label } => done(self.name(rules, *range, label.as_deref())),
            Call::UffdRegister { range, mode } => {
                let context = self.open_uffd(world);
                done(self.register(rules, context, *range, *mode))
            }
            Call::UffdUnregister(range) => {
                let context = self.open_uffd(world);
                done(self.unregister(rules, context, *range))
            }
            Call::UffdWriteprotect { range, .. } => done(self.writeprotect(rules, *range)),
            Call::Access { range, access } => self.call_access(world, *range, *access),
            Call::ClearRefs(value) => self.clear_refs(*value),
            Call::Fork { .. }
            | Call::Exit
            | Call::Execve { .. }
            | Call::Khugepaged { .. }
            | Call::ReclaimPages(_)
            | Call::Truncate { .. }
            | Call::PunchHole { .. }
            | Call::UffdCopy { .. }
            | Call::UffdContinue { .. }
            | Call::UffdZeropage(_)
            | Call::UffdPoison(_)
            | Call::UffdMove { .. }
            | Call::InjectAllocFailure { .. } => unreachable!("not calls on one address space"),
        }
    }

    fn call_mmap(&mut self, world: &mut World<'_>, args: &MmapArgs) -> Result<u64, Stop> {
        new_memory_is_known(world.rules)?;
        let populates = args.flags.intersects(MapFlags::POPULATE | MapFlags::LOCKED)
            || self.def_flags.contains(VmFlags::LOCKED);
        if populates && args.len.pages() > MANY_PAGES {
            return Err(Stop::Unknown("what so much memory comes to"));
        }
        let made = self.mmap(world.rules, world.files, args)?;
        self.populate_new(world, made.populate.then_some(made.pages));
        Ok(made.pages.0 * PAGE_SIZE)
    }

    fn call_mremap(&mut self, world: &mut World<'_>, args: &MremapArgs) -> Result<u64, Stop> {
        let pages = covered(SyscallRange::new(args.addr, args.old_len));
        self.relock_is_known(world.rules, pages)?;
        let moved = self.mremap(world.rules, args)?;
        self.populate_new(world, moved.populate);
        Ok(moved.addr)
    }

    fn call_brk(&mut self, world: &mut World<'_>, to: u64) -> Result<u64, Stop> {
        new_memory_is_known(world.rules)?;
        let (brk, populate) = self.sys_brk(world.rules, to);
        self.populate_new(world, populate);
        Ok(brk)
    }

    /// Whether that works is not the call's concern any more.
    fn populate_new(&mut self, world: &mut World<'_>, pages: Option<Pages>) {
        if let Some(pages) = pages {
            let _ignored = self.populate(world, pages, false);
        }
    }

    fn call_mlock(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        onfault: bool,
    ) -> Result<u64, Stop> {
        self.populate_is_known(world.rules, covered(range))?;
        if let Some(pages) = self.mlock(world.rules, range, onfault)? {
            // A page that cannot be had is memory that is short.
            let populated = self.populate(world, pages, true);
            populated.map_err(|_| Errno::ENOMEM)?;
        }
        Ok(0)
    }

    fn call_mlockall(&mut self, world: &mut World<'_>, flags: MlockallFlags) -> Result<u64, Stop> {
        let all = everything(world.rules);
        self.populate_is_known(world.rules, all)?;
        let populate = self.mlockall(world.rules, flags)?;
        self.populate_new(world, populate.then_some(all));
        Ok(0)
    }

    fn call_access(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        access: Access,
    ) -> Result<u64, Stop> {
        let writes = matches!(access, Access::Write(_));
        self.touch_is_known(world.rules, touched_pages(range), |_| writes)?;
        self.access(world, range, access).map_err(Stop::Signal)?;
        Ok(0)
    }

    fn clear_refs(&mut self, value: u8) -> Result<u64, Stop> {
        if value == 4 {
            for run in &mut self.runs {
                run.page.flags -= VmFlags::SOFTDIRTY;
            }
        }
        if (1..=5).contains(&value) {
            Ok(0)
        } else {
            Err(Errno::EINVAL.into())
        }
    }

    fn open_uffd(&mut self, world: &mut World<'_>) -> u32 {
        *self.uffd.get_or_insert_with(|| {
            *world.next_uffd += 1;
            *world.next_uffd
        })
    }

    /// Locked memory among these pages may be populated; is it known what that does?
    fn relock_is_known(&self, rules: &Rules, pages: Pages) -> Result<(), Unknown> {
        let locked = self.within(pages).any(|run| run.page.has(VmFlags::LOCKED));
        if locked {
            self.populate_is_known(rules, pages)
        } else {
            Ok(())
        }
    }
}
