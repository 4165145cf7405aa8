//! The VMA layer alone as a back end: address spaces without pages.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use sim_core::{
    AdviceClass, Backend, BackendError, BrkFields, Call, Errno, FileSpec, MappedKind, Mm, MmConfig,
    MmShared, NoPages, Outcome, Pid, Setup, Snapshot, SnapshotLevel, VirtAddr, Vma, VmaSnapshot,
    check_madvise,
};

use crate::replay::ReplayTarget;

type Space = Rc<RefCell<Mm>>;

/// The back end.
pub(super) struct Vmas {
    config: Arc<MmConfig>,
    shared: MmShared,
    files: Vec<FileSpec>,
    processes: BTreeMap<Pid, Space>,
    pages: NoPages,
}

impl Vmas {
    pub(super) fn new(setup: &Setup) -> Self {
        let config = Arc::new(MmConfig::new(setup));
        let shared = MmShared::new(&setup.limits);
        let first = Rc::new(RefCell::new(Mm::new(Arc::clone(&config), &shared)));
        Self {
            config,
            shared,
            files: setup.files.clone(),
            processes: BTreeMap::from([(Pid::MAIN, first)]),
            pages: NoPages::default(),
        }
    }

    fn space(&self, pid: Pid) -> Result<Space, BackendError> {
        let space = self.processes.get(&pid).map(Rc::clone);
        space.ok_or(BackendError::NoSuchProcess(pid))
    }

    fn memory_call(&mut self, mm: &mut Mm, call: &Call) -> Result<u64, Errno> {
        let pages = &mut self.pages;
        match call {
            Call::Mmap(args) => {
                let kind = args.file.map(|_| MappedKind::Regular);
                mm.mmap(pages, args, kind).map(|mapped| mapped.addr.get())
            }
            Call::Munmap(range) => mm.munmap(pages, *range).map(|()| 0),
            Call::Mprotect { range, prot, pkey } => {
                mm.mprotect(pages, *range, *prot, *pkey).map(|()| 0)
            }
            Call::Mremap(args) => mm.mremap(pages, args).map(|mapped| mapped.addr.get()),
            Call::Brk(to) => Ok(mm.sys_brk(pages, *to).addr.get()),
            Call::Madvise { range, advice } => match check_madvise(*range, *advice)? {
                Some((range, AdviceClass::Flags)) => {
                    mm.madvise_flags(pages, range, *advice).map(|()| 0)
                }
                Some((range, _)) => mm
                    .madvise_pages(range, *advice, |_, _, _| Ok(()))
                    .map(|()| 0),
                None => Ok(0),
            },
            _ => Err(Errno::ENOSYS),
        }
    }

    fn snapshot_of(&self, vma: &Vma) -> VmaSnapshot {
        let file = vma.file();
        VmaSnapshot {
            range: vma.range(),
            flags: vma.flags(),
            offset: file.map_or(0, |_| vma.pgoff().get() << sim_core::PAGE_SHIFT),
            file: file.map(|file| {
                let spec = self.files.get(file.id.0 as usize);
                spec.map_or("/dev/zero".to_owned(), |spec| spec.name.clone())
            }),
            label: vma.anon_name().map(ToString::to_string),
            anon_vma: Some(vma.anon_vma().is_some()),
            smaps: sim_core::Smaps::default(),
        }
    }
}

impl Backend for Vmas {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let space = self.space(pid)?;
        match call {
            Call::Fork { child, share } => {
                let space = if *share {
                    space
                } else {
                    let copy = space.borrow_mut().fork(&mut self.pages);
                    Rc::new(RefCell::new(copy.expect("memory is not short")))
                };
                self.processes.insert(*child, space);
            }
            Call::Execve { .. } => {
                let fresh = Mm::new(Arc::clone(&self.config), &self.shared);
                self.processes.insert(pid, Rc::new(RefCell::new(fresh)));
            }
            Call::Exit => {
                self.processes.remove(&pid);
            }
            call => {
                let outcome = self.memory_call(&mut space.borrow_mut(), call);
                space.borrow().check_invariants();
                return Ok(outcome.into());
            }
        }
        Ok(Outcome::OK)
    }

    fn snapshot(&mut self, pid: Pid, _: SnapshotLevel) -> Result<Snapshot, BackendError> {
        let space = self.space(pid)?;
        let mm = space.borrow();
        Ok(Snapshot {
            vmas: mm.iter().map(|(_, vma)| self.snapshot_of(vma)).collect(),
            pages: Vec::new(),
        })
    }

    fn processes(&self) -> Vec<Pid> {
        self.processes.keys().copied().collect()
    }
}

impl ReplayTarget for Vmas {
    fn place_brk(&mut self, pid: Pid, start: VirtAddr) -> Result<(), BackendError> {
        self.space(pid)?.borrow_mut().set_brk_fields(BrkFields {
            start_brk: start,
            brk: start,
            start_stack: VirtAddr::ZERO,
        });
        Ok(())
    }
}
