//! Faults that map, or find, a huge page (`mm/huge_memory.c: do_huge_pmd_anonymous_page()`,
//! `do_huge_pmd_wp_page()`, 6.19).

use sim_pagetable::{Arch, Entry, Leaf};

use crate::error::FaultError;
use crate::fault::Fault;
use crate::file::FileObject;
use crate::pager::Pager;
use crate::thp::split;
use crate::va::va;

/// The first fault in an empty 2 MiB block. True if a huge page was mapped (or another thread was
/// faster), false if the fault goes on with single pages.
pub(crate) fn anonymous<A: Arch>(
    _pager: &Pager<'_, A>,
    _fault: &Fault<'_>,
) -> Result<bool, FaultError> {
    Ok(false)
}

/// A fault on a present huge entry.
pub(crate) fn present<A: Arch>(
    pager: &Pager<'_, A>,
    fault: &Fault<'_>,
    entry: Entry<A>,
) -> Result<(), FaultError> {
    if fault.is_write() && !entry.is_writable() {
        // As if memory for another huge page were short: single pages are copied.
        split::split(pager, fault.vma, va(fault.addr));
        return Ok(());
    }
    if let Leaf::Huge(slot) = pager.tables().leaf(va(fault.addr)) {
        let young = entry.mk_young();
        slot.change(if fault.is_write() {
            young.mk_dirty()
        } else {
            young
        });
    }
    Ok(())
}

/// Maps a PMD-sized folio of a file's cache around a read fault (`mm/filemap.c:
/// filemap_map_pmd()`). True if it did.
pub(crate) fn map_cached<A: Arch>(
    _pager: &Pager<'_, A>,
    _fault: &Fault<'_>,
    _object: &FileObject,
) -> Result<bool, FaultError> {
    Ok(false)
}
