//! Reading around a fault on a page of a disk file that is not in the page cache (`mm/filemap.c:
//! filemap_fault()`, `do_sync_mmap_readahead()`, 6.18), and what `MADV_WILLNEED` asks for
//! (`mm/readahead.c: force_page_cache_ra()`).
//!
//! Only pages that reclaim, truncation or hole punching took away are ever read: all others are in
//! the page cache from the start.

use std::ops::Range;

use sim_core::{MappedKind, VmFlags};
use sim_pagetable::Arch;

use super::{Fault, load_page};
use crate::error::FaultError;
use crate::file::{FileObject, Lookup};
use crate::folio;
use crate::pager::Pager;

/// Pages that are read at once (`read_ahead_kb` of the disk, 8 MiB on the machine that vmsim is
/// compared with: small files come whole). DEVIATION: no page is marked for reading on.
const WINDOW: u64 = 2048;

/// The pages that come with the one that is missing: half of them lie before it, but for code and
/// sequential reads.
fn window(fault: &Fault<'_>, index: u64) -> Range<u64> {
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

/// What a fault began to read.
#[must_use = "the pages that are on their way arrive"]
pub(super) enum Reading {
    /// Nothing: its page was in the cache.
    Nothing,
    /// Everything is there: who waits for the page that was missing waits for its neighbours.
    Done,
    /// The page was a hole, which needs no disk; neighbours that do are still on their way.
    Under(Range<u64>),
}

impl<A: Arch> Pager<'_, A> {
    /// Brings a missing page and those around it into the cache.
    pub(super) fn read_missing(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
    ) -> Result<(), FaultError> {
        if let Reading::Under(rest) = self.start_reading(fault, object)? {
            self.read_all(object, rest);
        }
        Ok(())
    }

    /// The same, as far as the fault waits for it: it is taken again then, since mmap_lock was
    /// dropped meanwhile, and finds neighbours to map.
    pub(super) fn start_reading(
        &self,
        fault: &Fault<'_>,
        object: &FileObject,
    ) -> Result<Reading, FaultError> {
        let index = fault.vma.pgoff_of(fault.addr).get();
        if object.file().kind != MappedKind::Regular {
            return Ok(Reading::Nothing);
        }
        let Some(why) = missing(object, index) else {
            return Ok(Reading::Nothing);
        };
        let pfn = load_page(self, object, index)?;
        if why == Missing::Begun {
            // fs/ext4/inode.c: __ext4_block_zero_page_range() looked it up with FGP_ACCESSED.
            folio::mark_accessed(self.shared, pfn);
            return Ok(Reading::Done);
        }
        let around = window(fault, index);
        let around = around.start..around.end.min(object.lock().size_in_pages());
        match why {
            Missing::OnDisk | Missing::Begun => {
                self.read_all(object, around);
                Ok(Reading::Done)
            }
            Missing::Hole => {
                self.read(object, around.clone(), |why| why == Missing::Hole);
                Ok(Reading::Under(around))
            }
        }
    }

    /// Reads what is missing of a range and has no page yet.
    pub(crate) fn read_all(&self, object: &FileObject, range: Range<u64>) {
        self.read(object, range, |why| why != Missing::Begun);
    }

    /// The same of what is missing for some reason. Where memory is short that ends, and nobody is
    /// told.
    fn read(&self, object: &FileObject, range: Range<u64>, wanted: impl Fn(Missing) -> bool) {
        for index in range {
            let wanted = missing(object, index).is_some_and(&wanted);
            if wanted && load_page(self, object, index).is_err() {
                return;
            }
        }
    }
}

/// Why a page is not in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    OnDisk,
    Hole,
    /// A hole as well, with a page that was never filled.
    Begun,
}

fn missing(object: &FileObject, index: u64) -> Option<Missing> {
    let state = object.lock();
    match state.lookup(index) {
        Lookup::OnDisk(_) => Some(Missing::OnDisk),
        Lookup::Hole if state.is_begun(index) => Some(Missing::Begun),
        Lookup::Hole => Some(Missing::Hole),
        Lookup::Present(_) | Lookup::Pristine(_) | Lookup::Swapped(_) | Lookup::Beyond => None,
    }
}
