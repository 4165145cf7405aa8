//! Moving one entry for `UFFDIO_MOVE` (`mm/userfaultfd.c: move_pages_pte()`, 6.18).

use sim_core::{Errno, VirtAddr};
use sim_pagetable::{Arch, Entry, EntryView, FrameFlags, Pfn, PteTable};

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
    /// It maps this page of a huge folio, which must be split first.
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
    let tables = lock_both(pager, to, from)?;
    if !tables.to().get(va(to)).is_none() {
        return Err(Errno::EEXIST.into());
    }
    let old = tables.from().get(va(from));
    let new = match old.view() {
        EntryView::None => return Err(Errno::ENOENT.into()),
        EntryView::Present(_) => {
            let page = exclusive_page(pager, old)?;
            if let Some(pfn) = page.filter(|&pfn| pager.frames().is_large(pfn)) {
                return Ok(Moved::Large(pfn));
            }
            moved_page(pager, ends, old, page)
        }
        EntryView::Swap(swapped) => {
            if !swapped.exclusive || pager.shared.is_part_of_huge(swapped.slot) {
                return Err(Errno::EBUSY.into());
            }
            old.with_soft_dirty(true)
        }
        EntryView::Marker(_)
        | EntryView::HwPoison(_)
        | EntryView::Migration(_)
        | EntryView::Device(..) => return Err(Errno::EFAULT.into()),
    };
    tables.from().set(va(from), Entry::NONE);
    tables.to().set(va(to), new);
    Ok(Moved::Yes)
}

/// The locked tables of both addresses, which may be one.
enum Tables<'a, A: Arch> {
    /// One table holds both.
    One(PteTable<'a, A>),
    /// Each has its own.
    Two {
        to: PteTable<'a, A>,
        from: PteTable<'a, A>,
    },
}

impl<'a, A: Arch> Tables<'a, A> {
    const fn to(&self) -> &PteTable<'a, A> {
        match self {
            Self::One(table) | Self::Two { to: table, .. } => table,
        }
    }

    const fn from(&self) -> &PteTable<'a, A> {
        match self {
            Self::One(table) | Self::Two { from: table, .. } => table,
        }
    }
}

/// Locks the tables of two addresses, the lower one first (`mm/userfaultfd.c: double_pt_lock()`).
fn lock_both<'a, A: Arch>(
    pager: &Pager<'a, A>,
    to: VirtAddr,
    from: VirtAddr,
) -> Result<Tables<'a, A>, Stop> {
    if to.pmd_down() == from.pmd_down() {
        return Ok(Tables::One(table_of(pager, to)?));
    }
    if to < from {
        let to = table_of(pager, to)?;
        let from = table_of(pager, from)?;
        return Ok(Tables::Two { to, from });
    }
    let from = table_of(pager, from)?;
    let to = table_of(pager, to)?;
    Ok(Tables::Two { to, from })
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
