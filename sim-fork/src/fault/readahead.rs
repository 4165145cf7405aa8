//! Reading around a fault on a page of a disk file that is not in the page cache (`mm/filemap.c:
//! filemap_fault()`, `do_sync_mmap_readahead()`, 6.18).

use sim_core::{MappedKind, VmFlags};
use sim_pagetable::Arch;

use super::{Fault, load_page};
use crate::error::FaultError;
use crate::file::{FileObject, Lookup};
use crate::pager::Pager;

/// Pages that are read at once (`read_ahead_kb` of the disk, 8 MiB on the machine that vmsim is
/// compared with: small files come whole). DEVIATION: no page is marked for reading on.
const WINDOW: u64 = 2048;

/// The pages that come with the one that is missing: half of them lie before it, but for code and
/// sequential reads.
fn window(fault: &Fault<'_>, index: u64) -> std::ops::Range<u64> {
    let flags = fault.vma.flags();
    if flags.contains(VmFlags::RAND_READ) {
        index..index + 1
    } else if flags.contains(VmFlags::SEQ_READ) {
        index..index + WINDOW
    } else if flags.contains(VmFlags::EXEC) {
        let end = fault.vma.pgoff().get() + fault.vma.pages();
        index..end.min(index + WINDOW)
    } else {
        let first = index.saturating_sub(WINDOW / 2);
        first..first + WINDOW
    }
}

impl<A: Arch> Pager<'_, A> {
    /// Brings a missing page and those around it into the cache. True if it was missing: the fault
    /// is taken again, since mmap_lock was dropped meanwhile, and then finds neighbours to map.
    pub(super) fn read_missing(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
    ) -> Result<bool, FaultError> {
        let index = fault.vma.pgoff_of(fault.addr).get();
        if object.file().kind != MappedKind::Regular || !is_missing(object, index) {
            return Ok(false);
        }
        load_page(self, object, index)?;
        let end = object.lock().size_in_pages();
        let around = window(fault, index);
        for index in around.start..around.end.min(end) {
            // Where memory is short reading ahead ends, and nobody is told.
            if is_missing(object, index) && load_page(self, object, index).is_err() {
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
