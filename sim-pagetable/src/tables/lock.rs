//! Locked parts of page tables.

use sim_sync::prim::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::fmt;

use super::PageTables;
use crate::frames::{Entries, Table, TableLock};
use crate::{Arch, Entry, Flush, Level, Va, VaRange};

/// What is at PMD level for an address.
#[derive(Debug)]
pub enum Leaf<'t, A: Arch> {
    /// No table, no entry.
    Absent,
    /// A PMD entry that is not a table: a 2 MiB page, or a migration entry of one.
    Huge(PmdSlot<'t, A>),
    /// A PTE table.
    Table(PteTable<'t, A>),
}

/// A PTE table whose lock is held.
pub struct PteTable<'t, A: Arch> {
    pub(super) tables: &'t PageTables<A>,
    pub(super) table: Table<'t>,
    base: Va,
    _lock: TableLock<'t>,
}

impl<A: Arch> fmt::Debug for PteTable<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PteTable({:?})", self.base)
    }
}

impl<'t, A: Arch> PteTable<'t, A> {
    pub(super) fn lock(tables: &'t PageTables<A>, table: Table<'t>, va: Va) -> Self {
        Self {
            tables,
            table,
            base: va.huge_down(),
            _lock: table.lock(tables.frames.concurrent()),
        }
    }

    /// The page tables it belongs to.
    pub const fn tables(&self) -> &'t PageTables<A> {
        self.tables
    }

    /// The first address it maps.
    pub const fn base(&self) -> Va {
        self.base
    }

    /// The raw entries, for loops that need every nanosecond.
    pub const fn cells(&self) -> &Entries {
        self.table.entries
    }

    /// The raw entries of `range`, which must lie inside.
    pub fn cells_of(&self, range: VaRange) -> &[AtomicU64] {
        debug_assert!(range.is_empty() || range.start().huge_down() == self.base);
        let first = range.start().pte_index();
        &self.table.entries[first..first + range.pages() as usize]
    }

    /// The slot of `va`, which must lie inside.
    pub fn slot(&self, va: Va) -> PteSlot<'_, A> {
        debug_assert_eq!(va.huge_down(), self.base, "address of another table");
        PteSlot::new(va.page_down(), &self.table.entries[va.pte_index()])
    }

    /// The entry of `va`.
    pub fn get(&self, va: Va) -> Entry<A> {
        self.slot(va).get()
    }

    /// Stores the entry of `va`.
    pub fn set(&self, va: Va, entry: Entry<A>) {
        self.slot(va).set(entry);
    }

    /// Replaces a page by another one (copy-on-write): the old translation must go before the new
    /// one comes (`ptep_clear_flush()`, `set_pte_at()`). Returns what was there.
    pub fn replace(&self, va: Va, entry: Entry<A>) -> (Entry<A>, Flush) {
        let slot = self.slot(va);
        let old = slot.get();
        slot.set(entry);
        if !A::is_valid(old.raw()) {
            return (old, Flush::none());
        }
        self.tables.count_break_before_make();
        (old, Flush::of(VaRange::page(va)))
    }

    /// The slots of `range`, which must lie inside.
    pub fn slots(&self, range: VaRange) -> impl DoubleEndedIterator<Item = PteSlot<'_, A>> {
        let start = range.start();
        let cells = self.cells_of(range).iter().enumerate();
        cells.map(move |(i, cell)| PteSlot::new(start.add(i as u64 * crate::PAGE_SIZE), cell))
    }

    /// Are all 512 entries empty?
    pub fn is_empty(&self) -> bool {
        self.table
            .entries
            .iter()
            .all(|cell| cell.load(Acquire) == 0)
    }
}

/// One entry of a locked PTE table.
#[derive(Clone, Copy)]
pub struct PteSlot<'s, A: Arch> {
    va: Va,
    cell: &'s AtomicU64,
    format: std::marker::PhantomData<A>,
}

impl<A: Arch> fmt::Debug for PteSlot<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.va, self.get())
    }
}

impl<'s, A: Arch> PteSlot<'s, A> {
    const fn new(va: Va, cell: &'s AtomicU64) -> Self {
        Self {
            va,
            cell,
            format: std::marker::PhantomData,
        }
    }

    /// The address of its page.
    pub const fn va(self) -> Va {
        self.va
    }

    /// The entry.
    #[inline]
    pub fn get(self) -> Entry<A> {
        Entry::from_raw(self.cell.load(Acquire))
    }

    /// Stores an entry.
    #[inline]
    pub fn set(self, entry: Entry<A>) {
        self.cell.store(entry.raw(), Release);
    }

    /// Empties it; returns what was there.
    pub fn take(self) -> Entry<A> {
        let old = self.get();
        self.set(Entry::NONE);
        old
    }
}

/// An entry of a PMD table, whose lock is held.
pub struct PmdSlot<'t, A: Arch> {
    pub(super) tables: &'t PageTables<A>,
    pub(super) table: Table<'t>,
    base: Va,
    _lock: TableLock<'t>,
}

impl<A: Arch> fmt::Debug for PmdSlot<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PmdSlot({:?}: {:?})", self.base, self.entry())
    }
}

impl<'t, A: Arch> PmdSlot<'t, A> {
    pub(super) fn lock(tables: &'t PageTables<A>, table: Table<'t>, va: Va) -> Self {
        Self {
            tables,
            table,
            base: va.huge_down(),
            _lock: table.lock(tables.frames.concurrent()),
        }
    }

    /// The page tables it belongs to.
    pub const fn tables(&self) -> &'t PageTables<A> {
        self.tables
    }

    /// The first address of its 2 MiB.
    pub const fn base(&self) -> Va {
        self.base
    }

    pub(super) const fn cell(&self) -> &'t AtomicU64 {
        &self.table.entries[Level::Pmd.index(self.base)]
    }

    pub(super) fn raw(&self) -> u64 {
        self.cell().load(Acquire)
    }

    pub(super) fn store(&self, raw: u64) {
        self.cell().store(raw, Release);
    }

    /// Is it empty?
    pub fn is_none(&self) -> bool {
        self.raw() == 0
    }

    /// Does it refer to a PTE table?
    pub fn is_table(&self) -> bool {
        A::table_pfn(self.raw()).is_some()
    }

    /// The entry; only of use where it is not a table.
    pub fn entry(&self) -> Entry<A> {
        Entry::from_raw(self.raw())
    }

    /// Changes a leaf entry in place, e.g. its rights.
    ///
    /// # Panics
    /// If it is or was empty or a table: installing and removing leaves is
    /// [`Self::install_huge`] and [`Self::remove_huge`].
    pub fn change(&self, entry: Entry<A>) {
        assert!(
            !self.is_none() && !self.is_table(),
            "no leaf at {:?}",
            self.base
        );
        assert!(!entry.is_none() && A::table_pfn(entry.raw()).is_none());
        self.store(entry.raw());
    }

    /// The PTE table it refers to, locked; the PMD lock is let go.
    pub fn into_table(self) -> Option<PteTable<'t, A>> {
        let table = self.tables.table_of(self.raw())?;
        Some(PteTable::lock(self.tables, table, self.base))
    }
}
