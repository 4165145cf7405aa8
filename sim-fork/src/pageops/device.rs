//! Mappings of devices: filled when they are made (`mm/memory.c: remap_pfn_range()`,
//! `vm_insert_page()`).

use sim_core::{Errno, FileRef, MappedKind, Vma};
use sim_pagetable::{Arch, Entry, Leaf};

use crate::device::Devices;
use crate::fault::load_page;
use crate::pager::Pager;
use crate::va::va;

impl<A: Arch> Pager<'_, A> {
    /// Maps every page of a device's mapping; nothing for other objects.
    pub(super) fn map_device(&self, vma: &Vma) -> Result<(), Errno> {
        let Some(file) = vma.file() else {
            return Ok(());
        };
        match file.kind {
            MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => Ok(()),
            MappedKind::Pfnmap | MappedKind::Mixedmap => self.map_all(vma, file),
        }
    }

    fn map_all(&self, vma: &Vma, file: FileRef) -> Result<(), Errno> {
        let object = self.shared.files.get(file.id).ok_or(Errno::EBADF)?;
        let pages_there = object.lock().size_in_pages();
        for page in vma.range().iter_pages() {
            let index = vma.pgoff_of(page).get();
            if index >= pages_there {
                return Err(Errno::EINVAL);
            }
            let prot = self.page_prot(vma);
            let raw = file.kind == MappedKind::Pfnmap;
            let entry = if raw {
                Entry::page(Devices::frame(file.id, index), prot).mk_special()
            } else {
                let pfn = load_page(self, &object, index).map_err(|_| Errno::ENOMEM)?;
                self.frames().get(pfn);
                self.account_map(vma, pfn);
                Entry::page(pfn, prot)
            };
            let leaf = self.tables().leaf_alloc(va(page));
            match leaf.map_err(|_| Errno::ENOMEM)? {
                Leaf::Table(table) => table.set(va(page), entry),
                Leaf::Huge(_) | Leaf::Absent => return Err(Errno::EBUSY),
            }
        }
        Ok(())
    }
}
