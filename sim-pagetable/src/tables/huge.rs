//! 2 MiB leaves and the PTE tables kept for the day they are split
//! (mm/pgtable-generic.c: `pgtable_trans_huge_deposit()`, mm/huge_memory.c).

use sim_sync::prim::atomic::Ordering::{Relaxed, Release};
use std::mem::ManuallyDrop;

use super::{PageTables, PmdSlot, PteTable};
use crate::frames::Table;
use crate::{Arch, Entry, Flush, HUGE_PAGES, HUGE_SIZE, Level, NoMemory, Va, VaRange};

/// A PTE table that hangs nowhere: allocated ahead or taken out. Dropping it frees it.
#[must_use = "dropping it frees the table"]
#[derive(Debug)]
pub struct Detached<'t, A: Arch> {
    tables: &'t PageTables<A>,
    id: u32,
}

impl<'t, A: Arch> Detached<'t, A> {
    fn into_table(self) -> Table<'t> {
        let this = ManuallyDrop::new(self);
        this.tables.frames.table(this.id)
    }

    /// Its entries, as a table that maps 2 MiB from `base`.
    pub fn entries(&self, base: Va) -> PteTable<'_, A> {
        PteTable::lock(self.tables, self.tables.frames.table(self.id), base)
    }
}

impl<A: Arch> Drop for Detached<'_, A> {
    fn drop(&mut self) {
        self.tables
            .frames
            .free_table(self.tables.frames.table(self.id));
    }
}

impl<A: Arch> PageTables<A> {
    /// Allocates a PTE table ahead (`pte_alloc_one()`). It is counted once it is installed or
    /// deposited.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn alloc_pte_table(&self) -> Result<Detached<'_, A>, NoMemory> {
        let id = self.new_table()?.id;
        Ok(Detached { tables: self, id })
    }
}

pub(super) fn push_deposit(pmd_table: Table<'_>, table: Table<'_>) {
    let next = pmd_table.meta().link.load(Relaxed);
    table.meta().link.store(next, Relaxed);
    pmd_table.meta().link.store(table.id + 1, Release);
}

pub(super) fn pop_deposit<A: Arch>(tables: &PageTables<A>, pmd_table: Table<'_>) -> Option<u32> {
    let id = pmd_table.meta().link.load(Relaxed).checked_sub(1)?;
    let table = tables.frames.table(id);
    let next = table.meta().link.swap(0, Relaxed);
    pmd_table.meta().link.store(next, Release);
    Some(id)
}

impl<'t, A: Arch> PmdSlot<'t, A> {
    /// Installs a 2 MiB leaf, or a non-present entry for one, in an empty slot. `deposit` is the
    /// table kept to split it (anonymous memory, the huge zero page); files have none.
    ///
    /// # Panics
    /// If the slot is not empty.
    pub fn install_huge(&self, entry: Entry<A>, deposit: Option<Detached<'t, A>>) {
        assert!(self.is_none(), "PMD entry at {:?} is in use", self.base());
        assert!(!entry.is_none() && A::table_pfn(entry.raw()).is_none());
        if let Some(deposit) = deposit {
            let table = deposit.into_table();
            debug_assert!(table.entries.iter().all(|cell| cell.load(Relaxed) == 0));
            push_deposit(self.table, table);
            self.tables.count_table(Level::Pte, 1);
        }
        self.store(entry.raw());
    }

    /// Empties a slot that holds a leaf and withdraws a deposited table, if `deposited`. Dropping
    /// the table frees it (`zap_huge_pmd()`).
    ///
    /// # Panics
    /// If there is no leaf, or no deposit.
    pub fn remove_huge(&self, deposited: bool) -> (Entry<A>, Option<Detached<'t, A>>) {
        assert!(
            !self.is_none() && !self.is_table(),
            "no leaf at {:?}",
            self.base()
        );
        let entry = self.entry();
        self.store(0);
        (entry, deposited.then(|| self.withdraw()))
    }

    fn withdraw(&self) -> Detached<'t, A> {
        let id = pop_deposit(self.tables, self.table).expect("no table was deposited");
        self.tables.count_table(Level::Pte, -1);
        Detached {
            tables: self.tables,
            id,
        }
    }

    /// Replaces a leaf by its deposited PTE table, filled with `page(i)` for each of the 512
    /// pages (`__split_huge_pmd_locked()`). For a plain split, `page` is
    /// [`Entry::split_page`] of the leaf. Map counts and exclusivity are the caller's.
    ///
    /// # Panics
    /// If there is no leaf, or no deposit.
    pub fn split(self, mut page: impl FnMut(u64) -> Entry<A>) -> (PteTable<'t, A>, Flush) {
        let (_, table) = self.remove_huge(true);
        let table = table.expect("withdrawn");
        let cells = self.tables.frames.table(table.id).entries;
        for (cell, i) in cells.iter().zip(0..HUGE_PAGES) {
            cell.store(page(i).raw(), Relaxed);
        }
        self.tables.count_break_before_make();
        let flush = Flush::of(self.range());
        self.install_table(table);
        let table = self.into_table().expect("just installed");
        (table, flush)
    }

    fn range(&self) -> VaRange {
        VaRange::new(self.base(), self.base().add(HUGE_SIZE))
    }

    /// Makes an empty slot refer to `table` (`pmd_populate()`).
    ///
    /// # Panics
    /// If the slot is not empty.
    fn install_table(&self, table: Detached<'t, A>) {
        assert!(self.is_none(), "PMD entry at {:?} is in use", self.base());
        let table = table.into_table();
        self.tables.count_table(Level::Pte, 1);
        self.store(A::table(table.pfn()));
    }

    /// Locks the PTE table that it refers to, within its own lock.
    pub fn lock_table(&self) -> Option<PteTable<'t, A>> {
        let table = self.tables.table_of(self.raw())?;
        Some(PteTable::lock(self.tables, table, self.base()))
    }

    /// Takes its PTE table out, whatever it contains (collapse, retraction). Dropping it frees it.
    /// Who waits for the table's lock finds the slot empty then.
    ///
    /// # Panics
    /// If `locked` is another slot's table.
    pub fn take_table(&self, locked: PteTable<'t, A>) -> (Detached<'t, A>, Flush) {
        let id = self.tables.table_of(self.raw()).map(|table| table.id);
        assert_eq!(id, Some(locked.table.id), "a-table-is-taken-from-its-slot");
        self.store(0);
        self.tables.count_table(Level::Pte, -1);
        let detached = Detached {
            tables: self.tables,
            id: locked.table.id,
        };
        let flush = Flush::of(self.range()).with_tables_freed(true);
        (detached, flush)
    }
}
