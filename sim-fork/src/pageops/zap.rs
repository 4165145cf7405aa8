//! Removing entries (`mm/memory.c: unmap_page_range()`, `zap_pte_range()`, 6.19).

use sim_core::{PageRange, VmFlags, Vma};
use sim_pagetable::{
    Arch, Entry, EntryView, Flush, FrameFlags, Leaf, Marker, Pfn, PteSlot, PteTable, Run, VaRange,
};

use crate::folio;
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::thp;
use crate::va::{page_range, va, va_range};

/// What an unmap takes away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ZapMode {
    /// Everything, markers too: munmap, exit (`ZAP_FLAG_DROP_MARKER`).
    Unmap,
    /// Pages, private copies too, but guards stay and file mappings keep their write protection:
    /// `MADV_DONTNEED`, truncation.
    Discard,
    /// Pages of the object only: hole punching (`even_cows` off).
    ObjectPages,
}

impl<A: Arch> Pager<'_, A> {
    /// Removes the entries of a part of a VMA. Huge entries that stick out are split first.
    pub(crate) fn zap(&self, vma: &Vma, range: PageRange, mode: ZapMode) {
        if range.is_empty() {
            return;
        }
        let range = va_range(range);
        for Run { range, leaf } in self.tables().walk(range) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Table(table) => self.zap_table(vma, &table, range, mode),
                Leaf::Huge(slot) if range.is_huge_block() => {
                    thp::unmap::zap(self, vma, slot, mode);
                }
                Leaf::Huge(slot) => {
                    drop(slot);
                    thp::split::split(self, vma, range.start());
                    if let Leaf::Table(table) = self.tables().leaf(range.start()) {
                        self.zap_table(vma, &table, range, mode);
                    }
                }
            }
        }
        self.tables().flush(Flush::of(range));
    }

    fn zap_table(&self, vma: &Vma, table: &PteTable<'_, A>, range: VaRange, mode: ZapMode) {
        let mut batch = Batch::default();
        for slot in table.slots(range) {
            let entry = slot.get();
            if !entry.is_none() {
                let entry = batch.once_young(self, entry);
                self.zap_entry(vma, slot, entry, mode);
            }
        }
    }

    fn zap_entry(&self, vma: &Vma, slot: PteSlot<'_, A>, entry: Entry<A>, mode: ZapMode) {
        if entry.is_present() {
            self.zap_present(vma, slot, entry, mode);
            return;
        }
        let keep = match entry.view() {
            EntryView::None | EntryView::Present(_) => true,
            EntryView::Marker(marker) => keeps_marker(vma, marker, mode),
            EntryView::Swap(swapped) => {
                if mode == ZapMode::ObjectPages {
                    true
                } else {
                    self.rss().add(RssKind::Swap, -1);
                    self.release_swap(swapped.slot);
                    false
                }
            }
            EntryView::HwPoison(_) => mode == ZapMode::ObjectPages,
            EntryView::Migration(_) | EntryView::Device(..) => false,
        };
        if !keep {
            slot.set(Entry::NONE);
            Self::leave_uffd_wp(vma, slot, entry, mode);
        }
    }

    fn zap_present(&self, vma: &Vma, slot: PteSlot<'_, A>, entry: Entry<A>, mode: ZapMode) {
        let Some(pfn) = Self::normal_page(entry) else {
            slot.set(Entry::NONE);
            Self::leave_uffd_wp(vma, slot, entry, mode);
            return;
        };
        let kind = folio::rss_kind(self.frames(), pfn);
        if kind == RssKind::Anon && mode == ZapMode::ObjectPages {
            return;
        }
        slot.set(Entry::NONE);
        if kind != RssKind::Anon {
            self.object_page_unmapped(vma, entry);
        }
        Self::leave_uffd_wp(vma, slot, entry, mode);
        self.account_unmap(vma, pfn, kind);
    }

    /// What the entry knew of its page goes to the page.
    pub(crate) fn object_page_unmapped(&self, vma: &Vma, entry: Entry<A>) {
        let Some(pfn) = entry.pfn() else { return };
        if entry.is_dirty() {
            folio::mark_dirty(self.frames(), pfn);
        }
        let no_recency = VmFlags::SEQ_READ | VmFlags::RAND_READ;
        if entry.is_young() && !vma.flags().intersects(no_recency) {
            folio::mark_accessed(self.frames(), pfn);
        }
    }

    /// A write-protected page of an object leaves a marker
    /// (`mm/memory.c: zap_install_uffd_wp_if_needed()`).
    pub(crate) fn leave_uffd_wp(vma: &Vma, slot: PteSlot<'_, A>, old: Entry<A>, mode: ZapMode) {
        let armed = vma.uffd().is_some() && vma.flags().contains(VmFlags::UFFD_WP);
        if armed && !vma.is_anon() && mode != ZapMode::Unmap && old.uffd_wp() {
            slot.set(Entry::marker(Marker::UFFD_WP));
        }
    }

    /// Pages of a range enter or leave the locked ones (`mm/mlock.c: mlock_pte_range()`).
    pub(crate) fn mark_locked(&self, vma: &Vma, range: PageRange) {
        let lock = vma.flags().contains(VmFlags::LOCKED);
        let note = |entry: Entry<A>| {
            let Some(pfn) = Self::normal_page(entry) else {
                return;
            };
            let meta = self.frames().meta(self.frames().head(pfn));
            if lock {
                meta.set_flags(FrameFlags::MLOCKED);
            } else {
                meta.clear_flags(FrameFlags::MLOCKED);
            }
        };
        for Run { range, leaf } in self.tables().walk(va_range(range)) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Huge(slot) => note(slot.entry()),
                Leaf::Table(table) => table.slots(range).for_each(|slot| note(slot.get())),
            }
        }
    }

    /// Zaps what `MADV_DONTNEED` asks for, and frees a PTE table that it covers whole and leaves
    /// empty (`mm/pt_reclaim.c`, CONFIG_PT_RECLAIM: x86 only).
    pub(crate) fn zap_dontneed(&self, vma: &Vma, range: PageRange) {
        self.zap(vma, range, ZapMode::Discard);
        if A::BREAK_BEFORE_MAKE {
            return;
        }
        for block in whole_blocks(va_range(range)) {
            if let Some(flush) = self.tables().free_table_if_empty(block.start()) {
                self.tables().flush(flush);
            }
        }
    }
}

/// Does a marker outlive an unmap?
fn keeps_marker(vma: &Vma, marker: Marker, mode: ZapMode) -> bool {
    if mode == ZapMode::Unmap {
        false
    } else if marker.contains(Marker::GUARD) {
        true
    } else if marker.contains(Marker::UFFD_WP) {
        !vma.is_anon()
    } else {
        mode == ZapMode::ObjectPages
    }
}

/// Pages of one large folio in a row: they were accessed once (`mm/internal.h:
/// folio_pte_batch()`).
#[derive(Default)]
struct Batch {
    /// The page that would go on with the row.
    next: Option<Pfn>,
    /// The row was accessed.
    young: bool,
}

impl Batch {
    /// The entry, no longer young if one before it in its row was.
    fn once_young<A: Arch>(&mut self, pager: &Pager<'_, A>, entry: Entry<A>) -> Entry<A> {
        let page = Pager::normal_page(entry).filter(|&pfn| pager.frames().is_large(pfn));
        let Some(pfn) = page else {
            *self = Self::default();
            return entry;
        };
        let goes_on = self.next == Some(pfn) && pager.frames().head(pfn) != pfn;
        let counted = goes_on && self.young;
        self.next = Some(pfn.add(1));
        self.young = entry.is_young() || counted;
        if counted { entry.mk_old() } else { entry }
    }
}

/// The aligned 2 MiB blocks that lie wholly in a range.
fn whole_blocks(range: VaRange) -> impl Iterator<Item = VaRange> {
    let first = range.start().get().next_multiple_of(sim_core::PMD_SIZE);
    let last = range.end().huge_down().get();
    (first..last)
        .step_by(sim_core::PMD_SIZE as usize)
        .map(|start| VaRange::new(start, start + sim_core::PMD_SIZE))
}

/// The part of a VMA that maps some pages of its object, by page offset (`vma_address()`).
pub(crate) fn pages_of_object(vma: &Vma, first: u64, end: u64) -> Option<PageRange> {
    let start = vma.pgoff().get();
    let from = first.max(start);
    let to = end.min(start + vma.pages());
    (from < to).then(|| {
        let at = |index: u64| va(vma.start()).add((index - start) * sim_core::PAGE_SIZE);
        page_range(VaRange::new(at(from), at(to)))
    })
}
