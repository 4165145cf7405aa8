//! Copying the entries of a VMA (`mm/memory.c: copy_page_range()`, `copy_pte_range()`, 6.19).
//!
//! The loop over present anonymous pages is what fork's cost is: one pass over two slices of
//! entries, one update of a frame's metadata a page, counters once a table.

use sim_sync::prim::atomic::{AtomicU64, Ordering::Relaxed};

use sim_core::store::NoMemory;
use sim_core::{VmFlags, Vma};
use sim_pagetable::{Arch, CopyError, CopyRun, Entry, EntryView, Flush, FrameFlags, Marker, Pfn};

use super::huge;
use crate::folio;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::va::va_range;

/// How the entries of one VMA are copied.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Writes make private copies: both sides are write-protected (`is_cow_mapping()`).
    pub(super) cow: bool,
    /// The child's clean entries start clean (`VM_SHARED`).
    shared: bool,
    /// The child keeps userfaultfd write protection.
    pub(super) keep_uffd_wp: bool,
}

/// Pages added to the child's counters by a table.
#[derive(Default)]
struct Added {
    anon: i64,
    file: i64,
    shmem: i64,
    swap: i64,
}

/// Copies the entries of a VMA to the child's VMA.
///
/// # Errors
/// If memory is short; what was copied stays.
pub(super) fn copy_page_range<A: Arch>(
    parent: &Pager<'_, A>,
    child: &Pager<'_, A>,
    source: &Vma,
    target: &Vma,
) -> Result<(), NoMemory> {
    let flags = source.flags();
    let rules = Rules {
        cow: flags.is_cow(),
        shared: flags.contains(VmFlags::SHARED),
        keep_uffd_wp: target.uffd().is_some() && target.flags().contains(VmFlags::UFFD_WP),
    };
    let range = va_range(source.range());
    let copied = parent
        .tables()
        .copy_range(child.tables(), range, |run| match run {
            CopyRun::Tables {
                parent: from,
                child: to,
                ..
            } => {
                copy_table(child, rules, from, to);
                Ok(())
            }
            CopyRun::Huge {
                parent: from,
                child: to,
                ..
            } => huge::copy(child, rules, source, from, to),
        });
    if rules.cow {
        parent.tables().flush(Flush::of(range));
    }
    copied.map_err(|error| match error {
        CopyError::NoMemory | CopyError::Visitor(NoMemory) => NoMemory,
    })
}

fn copy_table<A: Arch>(child: &Pager<'_, A>, rules: Rules, from: &[AtomicU64], to: &[AtomicU64]) {
    let mut added = Added::default();
    for (from, to) in from.iter().zip(to) {
        let raw = from.load(Relaxed);
        if raw == 0 {
            continue;
        }
        let entry = Entry::<A>::from_raw(raw);
        let copy = if entry.is_present() {
            copy_present(child, rules, from, entry, &mut added)
        } else {
            copy_absent(child, rules, from, entry, &mut added)
        };
        to.store(copy.raw(), Relaxed);
    }
    let rss = child.rss();
    for (kind, pages) in [
        (RssKind::Anon, added.anon),
        (RssKind::File, added.file),
        (RssKind::Shmem, added.shmem),
        (RssKind::Swap, added.swap),
    ] {
        if pages != 0 {
            rss.add(kind, pages);
        }
    }
}

#[inline]
fn copy_present<A: Arch>(
    child: &Pager<'_, A>,
    rules: Rules,
    from: &AtomicU64,
    entry: Entry<A>,
    added: &mut Added,
) -> Entry<A> {
    let mut entry = entry;
    if let Some(pfn) = Pager::normal_page(entry) {
        let flags = child.frames().dup_page(pfn, child.sharer());
        count(child, flags, pfn, added);
    }
    if rules.cow && entry.is_writable() {
        entry = entry.wrprotect();
        from.store(entry.raw(), Relaxed);
    }
    if rules.shared {
        entry = entry.mk_clean();
    }
    if !rules.keep_uffd_wp {
        entry = entry.with_uffd_wp(false);
    }
    entry.mk_old()
}

#[inline]
fn count<A: Arch>(child: &Pager<'_, A>, flags: FrameFlags, pfn: Pfn, added: &mut Added) {
    if flags.contains(FrameFlags::ANON) {
        added.anon += 1;
        return;
    }
    match folio::rss_kind(child.frames(), pfn) {
        RssKind::Shmem => added.shmem += 1,
        RssKind::File | RssKind::Anon | RssKind::Swap => added.file += 1,
    }
}

/// `mm/memory.c: copy_nonpresent_pte()`.
fn copy_absent<A: Arch>(
    child: &Pager<'_, A>,
    rules: Rules,
    from: &AtomicU64,
    entry: Entry<A>,
    added: &mut Added,
) -> Entry<A> {
    match entry.view() {
        EntryView::Swap(swapped) => {
            child.shared.swap.duplicate(swapped.slot);
            added.swap += 1;
            let entry = entry.with_swp_exclusive(false);
            from.store(entry.raw(), Relaxed);
            if rules.keep_uffd_wp {
                entry
            } else {
                entry.with_uffd_wp(false)
            }
        }
        EntryView::Marker(marker) => {
            let mut kept = marker & (Marker::GUARD | Marker::POISON);
            if rules.keep_uffd_wp {
                kept |= marker & Marker::UFFD_WP;
            }
            if kept.is_empty() {
                Entry::NONE
            } else {
                Entry::marker(kept)
            }
        }
        EntryView::HwPoison(_) => entry,
        // No call leaves such entries behind.
        EntryView::None
        | EntryView::Present(_)
        | EntryView::Migration(_)
        | EntryView::Device(..) => Entry::NONE,
    }
}
