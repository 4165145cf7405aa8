//! Read-around: a fault on a page of a disk file that is not in the page cache brings in its
//! neighbours too, then the fault is taken again (`mm/filemap.c: filemap_fault()`,
//! `do_sync_mmap_readahead()`, 6.18).

use sim_core::{MappedKind, VmFlags};
use sim_pagetable::Arch;

use super::{Fault, load_page};
use crate::error::FaultError;
use crate::file::{FileObject, Lookup};
use crate::pager::Pager;

/// Pages that are read around a missing one (`read_ahead_kb` of the disk, here 8 MiB, so that
/// small files come whole and no page is marked for reading on).
const WINDOW: u64 = 2048;

impl<A: Arch> Pager<'_, A> {
    /// Brings a missing page and those around it into the cache. True if the page was missing: the
    /// fault has to be taken again.
    pub(super) fn read_around(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
    ) -> Result<bool, FaultError> {
        let index = fault.vma.pgoff_of(fault.addr).get();
        if object.file().kind != MappedKind::Regular || !is_missing(object, index) {
            return Ok(false);
        }
        load_page(self, object, index)?;
        if fault.vma.flags().contains(VmFlags::RAND_READ) {
            return Ok(true);
        }
        let first = index.saturating_sub(WINDOW / 2);
        let end = object.lock().size_in_pages().min(first + WINDOW);
        for index in (first..end).filter(|&index| is_missing(object, index)) {
            // Where memory is short reading ahead ends, and nobody is told.
            if load_page(self, object, index).is_err() {
                break;
            }
        }
        Ok(true)
    }
}

fn is_missing(object: &FileObject, index: u64) -> bool {
    match object.lock().lookup(index) {
        Lookup::OnDisk(_) | Lookup::Hole => true,
        Lookup::Present(_) | Lookup::Pristine(_) | Lookup::Swapped(_) | Lookup::Beyond => false,
    }
}
