//! The first access to a page of a mapped object (`mm/memory.c: do_fault()`, `mm/filemap.c:
//! filemap_fault()`, `mm/shmem.c: shmem_fault()`, 6.19).

use std::sync::Arc;

use sim_core::{FileRef, VmFlags};
use sim_pagetable::{Arch, Entry, FrameFlags, Pfn};

use super::Fault;
use super::readahead::Reading;
use crate::error::FaultError;
use crate::file::{self, Extent, FileObject, Lookup};
use crate::folio::{self, NEW_FILE, NEW_SHMEM, REFAULTED};
use crate::pager::{Pager, has_page_mkwrite};
use crate::thp;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Read, private write, or shared write.
    pub(super) fn file_fault(
        &self,
        fault: &Fault<'_>,
        file: FileRef,
        old: Entry<A>,
    ) -> Result<(), FaultError> {
        let object = self.shared.files.get(file.id).ok_or(FaultError::Bus)?;
        if !fault.is_write() {
            self.read_fault(fault, file, &object, old)
        } else if fault.vma.flags().contains(VmFlags::SHARED) {
            self.shared_fault(fault, file, &object, old)
        } else {
            self.cow_fault(fault, &object, old)
        }
    }

    /// `mm/memory.c: do_read_fault()`.
    fn read_fault(
        &self,
        fault: &Fault<'_>,
        file: FileRef,
        object: &Arc<FileObject>,
        old: Entry<A>,
    ) -> Result<(), FaultError> {
        if self.fault_around(fault, object, file)? {
            return Ok(());
        }
        match self.start_reading(fault, object)? {
            Reading::Nothing => {}
            Reading::Done => return Ok(()),
            Reading::Under(rest) => {
                // The fault is taken again before the disk has answered.
                let mapped = self.fault_around(fault, object, file);
                self.read_all(object, rest);
                if mapped? {
                    return Ok(());
                }
            }
        }
        let pfn = self.object_page(fault, object)?;
        if thp::object::map(self, fault.vma, fault.addr, (pfn, false))? {
            return Ok(());
        }
        self.alloc_table(fault)?;
        let prot = self.page_prot(fault.vma);
        self.finish_fault(fault, object, (old, pfn), |pfn| {
            Entry::page(pfn, prot).mk_young()
        });
        Ok(())
    }

    /// `mm/memory.c: do_shared_fault()`: the page becomes dirty at once.
    fn shared_fault(
        &self,
        fault: &Fault<'_>,
        file: FileRef,
        object: &Arc<FileObject>,
        old: Entry<A>,
    ) -> Result<(), FaultError> {
        self.read_missing(fault, object)?;
        let pfn = self.object_page(fault, object)?;
        if has_page_mkwrite(file) {
            folio::mark_dirty(self.frames(), pfn);
        }
        if thp::object::map(self, fault.vma, fault.addr, (pfn, true))? {
            folio::mark_dirty(self.frames(), pfn);
            return Ok(());
        }
        self.alloc_table(fault)?;
        let prot = self.page_prot(fault.vma);
        let entry = |pfn| Self::maybe_write(fault, Entry::page(pfn, prot).mk_young().mk_dirty());
        self.finish_fault(fault, object, (old, pfn), entry);
        folio::mark_dirty(self.frames(), pfn);
        Ok(())
    }

    /// `mm/memory.c: do_cow_fault()`: the anon_vma comes first, whatever the object says.
    fn cow_fault(
        &self,
        fault: &Fault<'_>,
        object: &Arc<FileObject>,
        old: Entry<A>,
    ) -> Result<(), FaultError> {
        (fault.prepare)()?;
        let copy = self.alloc_frame(folio::new_anon(fault.vma))?;
        let read = self.read_missing(fault, object);
        let source = read.and_then(|()| self.object_page(fault, object));
        let ready = source.and_then(|source| self.alloc_table(fault).map(|()| source));
        let source = ready.inspect_err(|_| {
            self.frames().put(copy);
        })?;
        self.frames().meta(copy).set_tag(self.content(source));
        let prot = self.page_prot(fault.vma);
        let entry = Self::maybe_write(fault, Entry::page(copy, prot).mk_young().mk_dirty());
        let Some(table) = self.unchanged(fault, old) else {
            self.frames().put(copy);
            return Ok(());
        };
        self.account_new(fault.vma, copy);
        table.set(va(fault.addr), Self::keep_uffd_wp(fault, old, entry));
        Ok(())
    }

    /// Maps a page of the object, or of shared memory all of its folio if nothing is in the way
    /// (`mm/memory.c: finish_fault()`). `entry` makes the entry of a page.
    fn finish_fault(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
        (old, pfn): (Entry<A>, Pfn),
        entry: impl Fn(Pfn) -> Entry<A>,
    ) {
        let single = !object.file().is_shmem() || fault.vma.flags().intersects(VmFlags::UFFD);
        let page = (va(fault.addr), pfn);
        let whole = thp::object::whole_folio(self, fault, object, page).filter(|_| !single);
        if whole.is_some_and(|whole| thp::object::map_pages(self, fault, whole, &entry)) {
            return;
        }
        if let Some(table) = self.unchanged(fault, old) {
            self.frames().get(pfn);
            self.account_map(fault.vma, pfn);
            table.set(va(fault.addr), Self::keep_uffd_wp(fault, old, entry(pfn)));
        }
    }

    /// The object's page, brought in or allocated (`vm_ops.fault`).
    fn object_page(&self, fault: &Fault<'_>, object: &Arc<FileObject>) -> Result<Pfn, FaultError> {
        let index = fault.vma.pgoff_of(fault.addr).get();
        if fault.uffd(VmFlags::UFFD_MISSING) || fault.uffd(VmFlags::UFFD_MINOR) {
            let looked_up = object.lock().lookup(index);
            if looked_up == Lookup::Hole && fault.uffd(VmFlags::UFFD_MISSING) {
                return Err(self.userfault());
            }
            match looked_up {
                // A page in swap is one that the object has, too.
                Lookup::Present(_) | Lookup::Pristine(_) | Lookup::Swapped(_)
                    if fault.uffd(VmFlags::UFFD_MINOR) =>
                {
                    return Err(self.userfault());
                }
                Lookup::Hole
                | Lookup::Present(_)
                | Lookup::Pristine(_)
                | Lookup::Swapped(_)
                | Lookup::OnDisk(_)
                | Lookup::Beyond => {}
            }
        }
        self.bring_back_alone(fault, object, index)?;
        let pfn = load_page(self, object, index)?;
        if !fault.vma.flags().contains(VmFlags::RAND_READ) {
            // As if it asked for reading on (do_async_mmap_readahead()).
            let head = self.frames().head(pfn);
            self.frames().meta(head).clear_flags(FrameFlags::RECLAIM);
        }
        Ok(pfn)
    }

    /// Where a userfaultfd wants to hear of each page, only the one asked for is read from swap.
    fn bring_back_alone(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
        index: u64,
    ) -> Result<(), FaultError> {
        if !fault.vma.flags().intersects(VmFlags::UFFD) {
            return Ok(());
        }
        let found = object.lock().lookup(index);
        if let Lookup::Swapped(swapped) = found {
            file::bring_back(self.shared, object, (index, swapped), Extent::Page)?;
        }
        Ok(())
    }
}

/// The page of an object at an index, brought in or allocated as needed.
///
/// # Errors
/// [`FaultError::Bus`] beyond its end, [`FaultError::Oom`].
pub(crate) fn load_page<A: Arch>(
    pager: &Pager<'_, A>,
    object: &FileObject,
    index: u64,
) -> Result<Pfn, FaultError> {
    let mut state = object.lock();
    let looked_up = state.lookup(index);
    let (flags, content) = match looked_up {
        Lookup::Beyond => return Err(FaultError::Bus),
        Lookup::Present(pfn) => return Ok(pfn),
        Lookup::Pristine(content) => {
            return file::materialize(pager.shared, object, &mut state, index, content);
        }
        Lookup::Swapped(swapped) => {
            drop(state);
            file::bring_back(pager.shared, object, (index, swapped), Extent::Entry)?;
            return load_page(pager, object, index);
        }
        Lookup::OnDisk(content) => (NEW_FILE | REFAULTED, content),
        Lookup::Hole => (NEW_FILE, 0),
    };
    drop(state);
    let flags = if object.file().is_shmem() {
        NEW_SHMEM
    } else {
        flags
    };
    let pfn = pager.alloc_frame(flags)?;
    let mut state = object.lock();
    if state.lookup(index) != looked_up {
        drop(state);
        pager.frames().put(pfn);
        return load_page(pager, object, index);
    }
    file::add_page(pager.shared, &mut state, index, (pfn, content));
    Ok(pfn)
}
