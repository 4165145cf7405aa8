//! The reference model: VMAs as a flat list of pages, obviously right rather than fast or detailed.
//!
//! It shares the vocabulary with the engine (calls, flags, setup) and nothing else: no tree, no
//! plan, no counters. What is counted or chained there is looked up by going through everything
//! here; offsets are distances, so that pages that continue each other are equal; a split is a
//! boundary drawn, a merge is a boundary wiped out, page by page ([`merge`]).
//!
//! ```text
//!   page number   10 11 12 13 14 15 16      a run: pages with equal attributes and no boundary
//!   attributes     a  a  a  b  .  a  a      between them; `.` is not mapped
//!   boundaries   |    |     |  |   |     |   a|a: equal, but nothing has wiped the boundary out
//! ```
//!
//! It knows VMAs and their flags, the results of all calls on them, guard markers, the lengths of
//! files. It does not know what pages contain: a read's value is always 0 (compare it with a
//! simulator that is [without contents](crate::fuzz::Simulator::without_contents)), and calls whose
//! outcome hangs on the state of pages are [`BackendError::NotSupported`], before anything is done.

mod anon;
mod brk;
mod change;
mod files;
mod fork;
mod lock;
mod merge;
mod mmap;
mod page;
mod place;
mod remap;
mod rules;
#[cfg(test)]
mod small_worlds;
mod space;
#[cfg(test)]
mod tests;
mod touch;
mod uffd;
mod unmap;

use std::collections::BTreeMap;

use sim_core::{
    Access, Advice, Backend, BackendError, Call, Errno, Outcome, PAGE_SIZE, PageRange, Pid, Setup,
    Signal, Smaps, Snapshot, SnapshotLevel, SyscallRange, VirtAddr, VmFlags, VmaSnapshot,
};

use anon::Anons;
use change::{is_about_flags, whole_pages};
use files::Files;
use lock::covering;
use page::Page;
use rules::Rules;
use space::{Pages, Run, Space};
use touch::{Unknown, World, touched_pages};

/// The number of an address space.
type SpaceId = u32;

/// The model as a back end.
#[derive(Debug)]
pub struct Model {
    rules: Rules,
    files: Files,
    anons: Anons,
    processes: BTreeMap<Pid, SpaceId>,
    spaces: BTreeMap<SpaceId, Space>,
    next_space: SpaceId,
    next_uffd: u32,
}

/// Why a call has no value.
enum Stop {
    Errno(Errno),
    Signal(Signal),
    Unknown(Unknown),
    NoSuchFile,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Unknown> for Stop {
    fn from(what: Unknown) -> Self {
        Self::Unknown(what)
    }
}

impl Model {
    /// One process, nothing mapped.
    pub fn new(setup: &Setup) -> Self {
        let rules = Rules::new(setup);
        let space = Self::empty(&rules);
        Self {
            rules,
            files: Files::new(&setup.files),
            anons: Anons::default(),
            processes: BTreeMap::from([(Pid::MAIN, 0)]),
            spaces: BTreeMap::from([(0, space)]),
            next_space: 1,
            next_uffd: 1,
        }
    }

    fn empty(rules: &Rules) -> Space {
        let heap = rules.layout.heap.get();
        Space {
            start_brk: heap,
            brk: heap,
            ..Space::default()
        }
    }

    fn new_space(&mut self, space: Space) -> SpaceId {
        let id = self.next_space;
        self.next_space += 1;
        self.spaces.insert(id, space);
        id
    }

    /// A process leaves its address space, which goes with the last one.
    fn leave(&mut self, pid: Pid) {
        if let Some(id) = self.processes.remove(&pid)
            && !self.processes.values().any(|&other| other == id)
        {
            self.spaces.remove(&id);
        }
    }

    fn run(&mut self, pid: Pid, id: SpaceId, call: &Call) -> Result<u64, Stop> {
        match call {
            Call::Fork { child, share } => self.fork(pid, id, *child, *share),
            Call::Exit => {
                self.leave(pid);
                Ok(0)
            }
            Call::Execve => {
                self.leave(pid);
                let id = self.new_space(Self::empty(&self.rules));
                self.processes.insert(pid, id);
                Ok(0)
            }
            Call::Truncate { file, size } => {
                let done = self.files.truncate(*file, *size).ok_or(Stop::NoSuchFile)?;
                Ok(done.map(|()| 0)?)
            }
            Call::PunchHole { file, offset, len } => {
                let done = self
                    .files
                    .punch(*file, *offset, len.0)
                    .ok_or(Stop::NoSuchFile)?;
                Ok(done.map(|()| 0)?)
            }
            Call::ReclaimPages(_) => Ok(0),
            Call::Khugepaged { .. } => Err(Stop::Unknown("huge pages")),
            Call::InjectAllocFailure { .. } => Err(Stop::Unknown("memory that is short")),
            Call::UffdCopy { .. }
            | Call::UffdZeropage(_)
            | Call::UffdPoison(_)
            | Call::UffdMove { .. } => Err(Stop::Unknown("filling pages")),
            _ => self.on_space(id, call),
        }
    }

    fn fork(&mut self, pid: Pid, id: SpaceId, child: Pid, share: bool) -> Result<u64, Stop> {
        if share {
            self.processes.insert(child, self.processes[&pid]);
            return Ok(0);
        }
        let pages = self
            .spaces
            .values()
            .flat_map(|space| &space.runs)
            .map(|run| &run.page);
        let next_uffd = &mut self.next_uffd;
        let mut new_context = || {
            *next_uffd += 1;
            *next_uffd
        };
        let copy = self.spaces[&id].fork(&self.rules, &mut self.anons, pages, &mut new_context)?;
        let id = self.new_space(copy);
        self.processes.insert(child, id);
        Ok(0)
    }

    /// Calls on one address space.
    fn on_space(&mut self, id: SpaceId, call: &Call) -> Result<u64, Stop> {
        let Self {
            rules,
            files,
            anons,
            spaces,
            next_uffd,
            ..
        } = self;
        let rules = &*rules;
        let space = spaces.get_mut(&id).expect("a process has an address space");
        let done = |result: Result<(), Errno>| Ok(result.map(|()| 0)?);
        let all = (0, rules.task_size() / PAGE_SIZE);
        match call {
            Call::Mmap(args) => {
                space.huge_is_unlikely(rules)?;
                let made = space.mmap(rules, files, args)?;
                if made.populate {
                    let world = &mut World {
                        rules,
                        files,
                        anons,
                    };
                    let _ignored = space.populate(world, made.pages, false);
                }
                Ok(made.pages.0 * PAGE_SIZE)
            }
            Call::Munmap(range) => done(space.munmap(rules, *range)),
            Call::Mprotect { range, prot, pkey } => {
                space.relock_is_known(rules, covering_end(*range))?;
                let world = &mut World {
                    rules,
                    files,
                    anons,
                };
                done(space.mprotect(world, *range, *prot, *pkey))
            }
            Call::Mremap(args) => {
                let pages = covering_end(SyscallRange::new(args.addr, args.old_len));
                space.growth_is_known(rules, pages)?;
                space.relock_is_known(rules, pages)?;
                let moved = space.mremap(rules, args)?;
                if let Some(pages) = moved.populate {
                    let world = &mut World {
                        rules,
                        files,
                        anons,
                    };
                    let _ignored = space.populate(world, pages, false);
                }
                Ok(moved.addr)
            }
            Call::Brk(to) => {
                space.huge_is_unlikely(rules)?;
                let (brk, populate) = space.sys_brk(rules, to.get());
                if let Some(pages) = populate {
                    let world = &mut World {
                        rules,
                        files,
                        anons,
                    };
                    let _ignored = space.populate(world, pages, false);
                }
                Ok(brk)
            }
            Call::Madvise { range, advice } => {
                let world = &mut World {
                    rules,
                    files,
                    anons,
                };
                space.madvise(world, *range, *advice)
            }
            Call::Reclaim(range) => {
                let world = &mut World {
                    rules,
                    files,
                    anons,
                };
                space.madvise(world, *range, Advice::Pageout)
            }
            Call::Mlock { range, onfault } => {
                space.populate_is_known(rules, covering_end(*range))?;
                if let Some(pages) = space.mlock(rules, *range, *onfault)? {
                    let world = &mut World {
                        rules,
                        files,
                        anons,
                    };
                    let populated = space.populate(world, pages, true);
                    // A page that cannot be had is memory that is short.
                    populated.map_err(|_| Errno::ENOMEM)?;
                }
                Ok(0)
            }
            Call::Munlock(range) => done(space.munlock(rules, *range)),
            Call::Mlockall(flags) => {
                space.populate_is_known(rules, all)?;
                if space.mlockall(rules, *flags)? {
                    let world = &mut World {
                        rules,
                        files,
                        anons,
                    };
                    let _ignored = space.populate(world, all, false);
                }
                Ok(0)
            }
            Call::Munlockall => {
                space.lock_all(rules, sim_core::MlockallFlags::empty());
                Ok(0)
            }
            Call::Mseal(range) => done(space.mseal(rules, *range)),
            Call::Msync(range) => done(space.msync(*range)),
            Call::Mincore(range) => done(space.mincore(rules, *range)),
            Call::Mbind { range, policy } => done(space.mbind(rules, *range, *policy)),
            Call::VmaName { range, label } => done(space.name(rules, *range, label.as_deref())),
            Call::UffdRegister { range, mode } => {
                let context = space.open_uffd(next_uffd);
                done(space.register(rules, context, *range, *mode))
            }
            Call::UffdUnregister(range) => {
                let context = space.open_uffd(next_uffd);
                done(space.unregister(rules, context, *range))
            }
            Call::UffdWriteprotect { range, .. } => done(space.writeprotect(rules, *range)),
            Call::Access { range, access } => {
                let writes = matches!(access, Access::Write(_));
                space.touch_is_known(rules, touched_pages(*range), |_| writes)?;
                let world = &mut World {
                    rules,
                    files,
                    anons,
                };
                space.access(world, *range, *access).map_err(Stop::Signal)?;
                Ok(0)
            }
            Call::ClearRefs(value @ 1..=5) => {
                if *value == 4 {
                    for run in &mut space.runs {
                        run.page.flags -= VmFlags::SOFTDIRTY;
                    }
                }
                Ok(0)
            }
            Call::ClearRefs(_) => Err(Errno::EINVAL.into()),
            Call::Fork { .. }
            | Call::Exit
            | Call::Execve
            | Call::Khugepaged { .. }
            | Call::ReclaimPages(_)
            | Call::Truncate { .. }
            | Call::PunchHole { .. }
            | Call::UffdCopy { .. }
            | Call::UffdZeropage(_)
            | Call::UffdPoison(_)
            | Call::UffdMove { .. }
            | Call::InjectAllocFailure { .. } => unreachable!("not calls on one address space"),
        }
    }

    fn shown(&self, run: &Run) -> VmaSnapshot {
        let page = &run.page;
        let object = page.map.file().and_then(|file| self.files.get(file.id));
        let offset = match object {
            Some(_) => run.start.wrapping_add(page.delta).wrapping_mul(PAGE_SIZE),
            None => 0,
        };
        let addr = |number: u64| VirtAddr::new(number * PAGE_SIZE);
        VmaSnapshot {
            range: PageRange::new(addr(run.start), addr(run.end)),
            flags: page.flags,
            offset,
            file: object.map(|object| object.name.clone()),
            label: page.name.as_deref().map(str::to_owned),
            anon_vma: Some(page.anon.is_some()),
            smaps: Smaps::default(),
        }
    }
}

/// The pages that a range may be about, at most.
fn covering_end(range: SyscallRange) -> Pages {
    let (start, count) = covering(range);
    (start, start.saturating_add(count))
}

impl Space {
    fn open_uffd(&mut self, next: &mut u32) -> u32 {
        *self.uffd.get_or_insert_with(|| {
            *next += 1;
            *next
        })
    }

    /// New memory is populated with huge pages only if they are wanted everywhere.
    fn huge_is_unlikely(&self, rules: &Rules) -> Result<(), Unknown> {
        if rules.thp == sim_core::ThpEnabled::Always {
            return Err("where huge pages are wanted everywhere");
        }
        Ok(())
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

    fn madvise(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        advice: Advice,
    ) -> Result<u64, Stop> {
        let rules = world.rules;
        let unknown = matches!(
            advice,
            Advice::Hwpoison | Advice::SoftOffline | Advice::Other(_)
        );
        if unknown {
            return Err(Errno::EINVAL.into());
        }
        let Some(pages) = whole_pages(range)? else {
            return Ok(0);
        };
        if is_about_flags(advice) {
            return Ok(self.madvise_flags(rules, pages, advice).map(|()| 0)?);
        }
        let done = match advice {
            Advice::Collapse => return Err(Stop::Unknown("collapsing")),
            Advice::PopulateRead | Advice::PopulateWrite => {
                let write = advice == Advice::PopulateWrite;
                self.touch_is_known(rules, pages, |_| write)?;
                self.madvise_populate(world, pages, write)
            }
            Advice::GuardInstall => {
                // A write-protection marker in shared memory is never given up.
                let stuck = |page: &Page| page.uffd.is_some() && !page.map.is_anon();
                if self.within(pages).any(|run| stuck(&run.page)) {
                    return Err(Stop::Unknown("markers of a userfaultfd"));
                }
                self.guard(world, pages)
            }
            Advice::GuardRemove => self.madvise_pages(pages, advice, |space, part| {
                space.unguard(part);
                Ok(())
            }),
            Advice::Remove => {
                let files = world.files;
                self.madvise_pages(pages, advice, |space, (start, end)| {
                    let page = &space.mapped(start).page;
                    let first = start.wrapping_add(page.delta);
                    let bytes = |pages: u64| pages.checked_mul(PAGE_SIZE).ok_or(Errno::EFBIG);
                    let file = page.map.file().ok_or(Errno::EINVAL)?;
                    let punched = files.punch(file.id, bytes(first)?, bytes(end - start)?);
                    punched.unwrap_or(Err(Errno::EINVAL))
                })
            }
            _ => self.madvise_pages(pages, advice, |_, _| Ok(())),
        };
        Ok(done.map(|()| 0)?)
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

    fn msync(&self, range: SyscallRange) -> Result<(), Errno> {
        if range.addr.get() % PAGE_SIZE != 0 {
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

    fn mincore(&self, rules: &Rules, range: SyscallRange) -> Result<(), Errno> {
        let (addr, len) = (range.addr.get(), range.len.0);
        if addr % PAGE_SIZE != 0 {
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

impl Backend for Model {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let &id = self
            .processes
            .get(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))?;
        if let Call::Fork { child, .. } = call
            && self.processes.contains_key(child)
        {
            let text = format!("process {child} exists already");
            return Err(BackendError::Broken(text));
        }
        match self.run(pid, id, call) {
            Ok(value) => Ok(Outcome::Value(value)),
            Err(Stop::Errno(errno)) => Ok(Outcome::Errno(errno)),
            Err(Stop::Signal(signal)) => Ok(Outcome::Signal(signal)),
            Err(Stop::Unknown(what)) => Err(BackendError::NotSupported(format!(
                "the model does not know {what}"
            ))),
            Err(Stop::NoSuchFile) => Err(BackendError::Broken("there is no such file".to_owned())),
        }
    }

    fn snapshot(&mut self, pid: Pid, _level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        let id = self
            .processes
            .get(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))?;
        Ok(Snapshot {
            vmas: self.spaces[id]
                .runs
                .iter()
                .map(|run| self.shown(run))
                .collect(),
            pages: Vec::new(),
        })
    }

    fn processes(&self) -> Vec<Pid> {
        self.processes.keys().copied().collect()
    }
}
