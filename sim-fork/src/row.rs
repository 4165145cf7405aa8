//! Entries in a row that map pages of one large folio, in order: several operations treat them as one
//! (`mm/internal.h: folio_pte_batch_flags()`, 6.18).

use sim_pagetable::{Arch, Entry, Frames};

use crate::pager::Pager;

/// In what the entries of a row may differ besides their accessed and dirty bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Differ {
    /// In whether they are writable, and soft-dirty.
    InRights,
    /// In nothing (`FPB_RESPECT_WRITE`, `FPB_RESPECT_SOFT_DIRTY`).
    InNothing,
}

impl Differ {
    fn allows<A: Arch>(self, a: Entry<A>, b: Entry<A>) -> bool {
        let rights = |entry: Entry<A>| (entry.is_writable(), entry.is_soft_dirty());
        a.is_uffd_wp() == b.is_uffd_wp() && (self == Self::InRights || rights(a) == rights(b))
    }
}

/// How many entries from the first on make a row. One that maps no large folio's page is alone.
pub(crate) fn length<A: Arch>(
    frames: &Frames,
    mut entries: impl Iterator<Item = Entry<A>>,
    differ: Differ,
) -> u64 {
    let Some(first) = entries.next() else {
        return 0;
    };
    let page = Pager::normal_page(first).filter(|&pfn| frames.is_large(pfn));
    let Some(page) = page else {
        return 1;
    };
    let most = frames.folio_pages(page) - (page.get() - frames.head(page).get());
    let more = entries.zip(1..most).take_while(|&(entry, i)| {
        Pager::normal_page(entry) == Some(page.add(i)) && differ.allows(first, entry)
    });
    1 + more.count() as u64
}
