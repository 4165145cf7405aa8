//! `fork` and `clone(CLONE_VM)` (`kernel/fork.c: copy_mm()`, `mm/mmap.c: dup_mmap()`, 6.19).

mod copy;
mod huge;

use std::sync::Arc;

use sim_core::store::{NoMemory, VmaStore};
use sim_core::{BackendError, Errno, FileRef, ForkOps, Outcome, Pid, UffdCtxId, UffdFeatures, Vma};
use sim_pagetable::Arch;

use crate::file;
use crate::machine::Machine;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::process::Process;
use crate::space::{AddressSpace, SpacePages};
use crate::thp;

/// Makes a child process.
pub(crate) fn fork<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    child: Pid,
    share: bool,
) -> Result<Outcome, BackendError> {
    if machine.process(child).is_ok() {
        let text = format!("process {child} exists already");
        return Err(BackendError::Broken(text));
    }
    if share {
        process.space.join();
        machine.insert_process(child, Arc::clone(&process.space));
        return Ok(Outcome::OK);
    }
    Ok(match duplicate(machine, &process.space) {
        Ok(space) => {
            machine.insert_process(child, Arc::new(space));
            Outcome::OK
        }
        Err(errno) => Outcome::Errno(errno),
    })
}

/// A copy of an address space; after a failure the parent's is as it was, but for pages that are
/// no longer marked exclusive.
fn duplicate<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    parent: &AddressSpace<A, S>,
) -> Result<AddressSpace<A, S>, Errno> {
    let shared = machine.shared();
    let pages = SpacePages::new(shared).map_err(|_| Errno::ENOMEM)?;
    let mut mm = parent.write();
    let mut copier = Copier {
        parent: Pager::new(shared, &parent.pages),
        child: Pager::new(shared, &pages),
        contexts: Vec::new(),
    };
    let copy = mm.fork(&mut copier)?;
    thp::khugepaged::forked(shared, parent.pages.number, pages.number);
    drop(mm);
    let space = AddressSpace::new(copy, pages);
    if shared.is_concurrent() {
        space.share_among_threads();
    }
    Ok(space)
}

/// The page half of a fork.
struct Copier<'a, A: Arch> {
    parent: Pager<'a, A>,
    child: Pager<'a, A>,
    /// userfaultfd contexts of the parent with those that the child got for them
    /// (`struct userfaultfd_fork_ctx`).
    contexts: Vec<(UffdCtxId, UffdCtxId)>,
}

impl<A: Arch> ForkOps for Copier<'_, A> {
    fn uffd_context(&mut self, parent: &Vma) -> Option<UffdCtxId> {
        let shared = self.parent.shared;
        if !shared.uffd_features().contains(UffdFeatures::EVENT_FORK) {
            return None;
        }
        let old = parent.uffd()?;
        let known = self.contexts.iter().find(|(from, _)| *from == old);
        if let Some(&(_, new)) = known {
            return Some(new);
        }
        let new = shared.new_uffd_context();
        self.contexts.push((old, new));
        Some(new)
    }

    fn file_linked(&mut self, file: FileRef, _child: &Vma) {
        file::link(self.parent.shared, file);
    }

    fn copy_pages(&mut self, parent: &Vma, child: &Vma) -> Result<(), NoMemory> {
        copy::copy_page_range(&self.parent, &self.child, parent, child)
    }

    fn undo(&mut self, child: &Vma) {
        self.child.zap(child, child.range(), ZapMode::Unmap);
        if let Some(file) = child.file() {
            file::unlink(self.child.shared, file);
        }
    }
}
