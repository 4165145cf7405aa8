//! Removing entries (`mm/memory.c: unmap_page_range()`, `zap_pte_range()`, 6.19).

use std::collections::BTreeSet;

use sim_core::{PageRange, VmFlags, Vma};
use sim_pagetable::{
    Arch, Entry, EntryView, Flush, Leaf, Marker, Pfn, PteSlot, PteTable, Run, VaRange,
};

use crate::folio;
use crate::pager::Pager;
use crate::row::{self, Differ};
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
    /// The same, and that they were accessed is forgotten: reclaim, collapse
    /// (`mm/rmap.c: try_to_unmap_one()`).
    Reclaim,
}

impl ZapMode {
    /// Do private copies stay?
    pub(crate) const fn keeps_private(self) -> bool {
        match self {
            Self::Unmap | Self::Discard => false,
            Self::ObjectPages | Self::Reclaim => true,
        }
    }
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
                    thp::mapping::split(self, vma, range.start());
                    if let Leaf::Table(table) = self.tables().leaf(range.start()) {
                        self.zap_table(vma, &table, range, mode);
                    }
                }
            }
        }
        self.tables().flush(Flush::of(range));
    }

    fn zap_table(&self, vma: &Vma, table: &PteTable<'_, A>, range: VaRange, mode: ZapMode) {
        let mut row = Row::default();
        for slot in table.slots(range) {
            let entry = slot.get();
            if entry.is_none() {
                continue;
            }
            if row.left == 0 {
                let rest = VaRange::new(slot.va(), range.end());
                row = self.row_from(table, rest, entry);
            }
            self.zap_entry(vma, slot, row.once_young(entry), mode);
        }
    }

    /// The row that an entry begins.
    fn row_from(&self, table: &PteTable<'_, A>, rest: VaRange, first: Entry<A>) -> Row {
        let large = Self::normal_page(first).is_some_and(|pfn| self.frames().is_large(pfn));
        let left = if large {
            let entries = table.slots(rest).map(PteSlot::get);
            row::length(self.frames(), entries, Differ::InRights)
        } else {
            1
        };
        Row { left, young: false }
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
                if mode.keeps_private() {
                    true
                } else {
                    self.rss().add(RssKind::Swap, -1);
                    self.shared.free_swap_and_cache(swapped.slot);
                    false
                }
            }
            EntryView::HwPoison(_) => mode.keeps_private(),
            EntryView::Migration(_) | EntryView::Device(..) => false,
        };
        if !keep {
            slot.set(Entry::NONE);
            Self::leave_uffd_wp(vma, slot, entry, mode);
        }
    }

    /// Removes an entry that maps something.
    pub(crate) fn zap_present(
        &self,
        vma: &Vma,
        slot: PteSlot<'_, A>,
        entry: Entry<A>,
        mode: ZapMode,
    ) {
        let Some(pfn) = Self::normal_page(entry) else {
            slot.set(Entry::NONE);
            Self::leave_uffd_wp(vma, slot, entry, mode);
            return;
        };
        let kind = folio::rss_kind(self.frames(), pfn);
        if kind == RssKind::Anon && mode.keeps_private() {
            return;
        }
        slot.set(Entry::NONE);
        if kind != RssKind::Anon {
            self.object_page_unmapped(vma, entry, mode);
        }
        Self::leave_uffd_wp(vma, slot, entry, mode);
        self.account_unmap(vma, pfn, kind);
    }

    /// What the entry knew of its page goes to the page.
    pub(crate) fn object_page_unmapped(&self, vma: &Vma, entry: Entry<A>, mode: ZapMode) {
        let Some(pfn) = entry.pfn() else { return };
        if entry.is_dirty() {
            folio::mark_dirty(self.frames(), pfn);
        }
        let no_recency = VmFlags::SEQ_READ | VmFlags::RAND_READ;
        let seen = entry.is_young() && !vma.flags().intersects(no_recency);
        if seen && mode != ZapMode::Reclaim {
            folio::mark_accessed(self.shared, pfn);
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

    /// Pages of a range enter or leave the locked ones (`mm/mlock.c: mlock_vma_pages_range()`).
    pub(crate) fn mark_locked(&self, vma: &Vma, range: PageRange) {
        self.shared.drain_lru();
        let lock = vma.flags().contains(VmFlags::LOCKED);
        let range = va_range(range);
        let mut large = BTreeSet::new();
        let mut note = |entry: Entry<A>, huge: bool| {
            let Some(pfn) = Self::normal_page(entry) else {
                return;
            };
            let head = self.frames().head(pfn);
            if !huge && self.frames().is_large(pfn) {
                large.insert(head);
            } else {
                self.note_locked(head, lock);
            }
        };
        for Run { range, leaf } in self.tables().walk(range) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Huge(slot) => note(slot.entry(), true),
                Leaf::Table(table) => table.slots(range).for_each(|slot| note(slot.get(), false)),
            }
        }
        for head in large {
            let whole = || self.entries_of(range, head) == self.frames().folio_pages(head);
            if !lock || whole() {
                self.note_locked(head, lock);
            }
        }
        self.shared.drain_lru();
    }

    fn note_locked(&self, head: Pfn, lock: bool) {
        if lock {
            self.shared.lru.mlock(self.frames(), head);
        } else {
            self.shared.lru.munlock(self.frames(), head);
        }
    }

    /// How many single entries of a range map a large folio.
    fn entries_of(&self, range: VaRange, head: Pfn) -> u64 {
        let tables = self.tables().walk(range);
        let count = |Run { range, leaf }: Run<'_, A>| match leaf {
            Leaf::Absent | Leaf::Huge(_) => 0,
            Leaf::Table(table) => table
                .slots(range)
                .filter_map(|slot| Self::normal_page(slot.get()))
                .filter(|&pfn| self.frames().head(pfn) == head)
                .count() as u64,
        };
        tables.map(count).sum()
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
        mode.keeps_private()
    }
}

/// Entries of one large folio in a row: they were accessed once (`mm/memory.c:
/// zap_present_folio_ptes()`).
#[derive(Default)]
struct Row {
    /// Entries that are left of it.
    left: u64,
    /// One before them was accessed.
    young: bool,
}

impl Row {
    /// The next entry, no longer young if one before it in the row was.
    fn once_young<A: Arch>(&mut self, entry: Entry<A>) -> Entry<A> {
        self.left -= 1;
        let counted = self.young;
        self.young |= entry.is_young();
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
