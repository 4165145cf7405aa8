//! The reference model: VMAs as a flat list of pages, obviously right rather than fast or detailed.
//!
//! It shares the vocabulary with the engine (calls, flags, setup) and nothing else: no tree, no
//! plan, no counters. What is counted or chained there is looked up by going through everything
//! here; offsets are distances, so that pages that continue each other are equal; a split is a
//! boundary drawn, a merge is a boundary wiped out, page by page (`merge`).
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

mod admit;
mod advise;
mod anon;
mod brk;
mod call;
mod change;
mod files;
mod fork;
mod lock;
mod merge;
mod mmap;
mod page;
mod place;
mod protect;
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
    Backend, BackendError, Call, Errno, Outcome, PAGE_SIZE, PageRange, Pid, Setup, Signal, Smaps,
    Snapshot, SnapshotLevel, VirtAddr, VmaSnapshot,
};

use anon::Anons;
use files::Files;
use rules::Rules;
use space::{Run, Space};
use touch::{Unknown, World};

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
            Call::Execve { stack: Some(_) } => Err(Stop::Unknown("the stack of a new program")),
            Call::Execve { stack: None } if self.rules.large_stack => {
                Err(Stop::Unknown("where mappings go, with a large stack"))
            }
            Call::Execve { stack: None } => {
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
            | Call::UffdContinue { .. }
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
        let space = self.spaces.get_mut(&id);
        let space = space.expect("a process has an address space");
        let mut world = World {
            rules: &self.rules,
            files: &mut self.files,
            anons: &mut self.anons,
            next_uffd: &mut self.next_uffd,
        };
        space.call(&mut world, call)
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
