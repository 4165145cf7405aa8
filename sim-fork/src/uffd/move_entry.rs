//! Moving one entry for `UFFDIO_MOVE` (`mm/userfaultfd.c: move_pages_pte()`, 6.18).

use sim_core::{Errno, VirtAddr};
use sim_pagetable::{Arch, Entry, EntryView, FrameFlags, Pfn};

use super::fill::table_of;
use super::move_pages::Ends;
use super::range::Stop;
use crate::folio;
use crate::pager::Pager;
use crate::va::va;

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub(super) enum Moved {
    /// It is at its new place.
    Yes,
    /// It maps a page of this huge folio, which must be split first.
    Large(Pfn),
}

/// Moves what is mapped at `from` to `to`, where there must be nothing. Both have tables.
///
/// # Errors
/// `EEXIST` if there is something, `ENOENT` if there is nothing to move, `EBUSY` for a page that
/// others can reach, `EFAULT` for a marker.
pub(super) fn move_entry<A: Arch>(
    pager: &Pager<'_, A>,
    ends: &Ends<'_>,
    to: VirtAddr,
    from: VirtAddr,
) -> Result<Moved, Stop> {
    if !table_of(pager, to)?.get(va(to)).is_none() {
        return Err(Errno::EEXIST.into());
    }
    let old = table_of(pager, from)?.get(va(from));
    let new = match old.view() {
        EntryView::None => return Err(Errno::ENOENT.into()),
        EntryView::Present(_) => {
            let page = exclusive_page(pager, old)?;
            if let Some(pfn) = page.filter(|&pfn| pager.frames().is_large(pfn)) {
                return Ok(Moved::Large(pager.frames().head(pfn)));
            }
            moved_page(pager, ends, old, page)
        }
        EntryView::Swap(swapped) if !swapped.exclusive => return Err(Errno::EBUSY.into()),
        EntryView::Swap(_) => old.with_soft_dirty(true),
        EntryView::Marker(_)
        | EntryView::HwPoison(_)
        | EntryView::Migration(_)
        | EntryView::Device(..) => return Err(Errno::EFAULT.into()),
    };
    table_of(pager, from)?.set(va(from), Entry::NONE);
    table_of(pager, to)?.set(va(to), new);
    Ok(Moved::Yes)
}

/// The page of a present entry, which must be this process's alone; `None` for the zero page.
fn exclusive_page<A: Arch>(pager: &Pager<'_, A>, old: Entry<A>) -> Result<Option<Pfn>, Errno> {
    if old.pfn() == Some(Pfn::ZERO_PAGE) {
        return Ok(None);
    }
    let exclusive = FrameFlags::ANON | FrameFlags::ANON_EXCLUSIVE;
    let page = Pager::normal_page(old);
    page.filter(|&pfn| folio::flags_of(pager.frames(), pfn).contains(exclusive))
        .map(Some)
        .ok_or(Errno::EBUSY)
}

/// The new entry of a page: writable, as young as any new one, without write protection.
fn moved_page<A: Arch>(
    pager: &Pager<'_, A>,
    ends: &Ends<'_>,
    old: Entry<A>,
    page: Option<Pfn>,
) -> Entry<A> {
    let prot = pager.page_prot(ends.to);
    let Some(pfn) = page else {
        return Entry::page(Pfn::ZERO_PAGE, prot).mk_special();
    };
    let mut new = Entry::page(pfn, prot).with_soft_dirty(true);
    if old.is_dirty() {
        new = new.mk_dirty();
    }
    new.mk_write()
}
