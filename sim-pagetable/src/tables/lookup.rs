//! From an address to its tables (`walk_to_pmd()`, `__pte_alloc()`, `pte_offset_map_lock()`).

use sim_sync::prim::atomic::Ordering::Acquire;

use super::{Leaf, PageTables, PmdSlot, PteTable};
use crate::frames::Table;
use crate::{Arch, Entry, Level, NoMemory, Va};

impl<A: Arch> PageTables<A> {
    /// The PUD entry for `va`; `None` if there is no PUD table.
    #[inline]
    pub(super) fn pud_entry(&self, va: Va) -> Option<u64> {
        let root = self.frames.arena().entries(self.root);
        let pgd = root[Level::Pgd.index(va)].load(Acquire);
        Some(self.entries_of(pgd)?[Level::Pud.index(va)].load(Acquire))
    }

    /// The PMD table for `va`, if there.
    #[inline]
    pub(super) fn pmd_table(&self, va: Va) -> Option<Table<'_>> {
        self.table_of(self.pud_entry(va)?)
    }

    /// The PMD table for `va`, allocated with those above it as needed.
    #[inline]
    pub(super) fn pmd_table_alloc(&self, va: Va) -> Result<Table<'_>, NoMemory> {
        match self.pmd_table(va) {
            Some(table) => Ok(table),
            None => self.pmd_table_new(va),
        }
    }

    #[cold]
    fn pmd_table_new(&self, va: Va) -> Result<Table<'_>, NoMemory> {
        let pud = self.child_alloc(self.root_table(), Level::Pgd, va)?;
        self.child_alloc(pud, Level::Pud, va)
    }

    /// The PUD table for `va`, allocated if absent.
    pub(super) fn pud_table_alloc(&self, va: Va) -> Result<Table<'_>, NoMemory> {
        self.child_alloc(self.root_table(), Level::Pgd, va)
    }

    /// The table below the entry of `table` (of `level`) for `va`, allocated if the entry is
    /// empty.
    #[inline]
    fn child_alloc(&self, table: Table<'_>, level: Level, va: Va) -> Result<Table<'_>, NoMemory> {
        match self.table_of(table.entries[level.index(va)].load(Acquire)) {
            Some(child) => Ok(child),
            None => self.child_new(table, level, va),
        }
    }

    #[cold]
    fn child_new(&self, table: Table<'_>, level: Level, va: Va) -> Result<Table<'_>, NoMemory> {
        let index = level.index(va);
        let new = self.new_table()?;
        let lock = table.lock(self.frames.concurrent());
        if let Some(child) = self.table_of(table.entries[index].load(Acquire)) {
            drop(lock);
            self.frames.free_table(new);
            return Ok(child);
        }
        Self::link(table, index, A::table(new.pfn()));
        let below = level.below().expect("PTE entries refer to no table");
        self.count_table(below, 1);
        Ok(new)
    }

    /// The PMD entry for `va`, locked; `None` if there is no PMD table.
    pub fn pmd(&self, va: Va) -> Option<PmdSlot<'_, A>> {
        let table = self.pmd_table(va)?;
        Some(PmdSlot::lock(self, table, va))
    }

    /// The PMD entry for `va`, locked, with tables down to it (`pmd_alloc()`).
    ///
    /// # Errors
    /// [`NoMemory`]; tables allocated so far stay.
    pub fn pmd_alloc(&self, va: Va) -> Result<PmdSlot<'_, A>, NoMemory> {
        let table = self.pmd_table_alloc(va)?;
        Ok(PmdSlot::lock(self, table, va))
    }

    /// What is at PMD level for `va`, locked: nothing, a leaf, or a PTE table.
    pub fn leaf(&self, va: Va) -> Leaf<'_, A> {
        match self.pmd_table(va) {
            Some(table) => self.leaf_in(table, va),
            None => Leaf::Absent,
        }
    }

    /// As [`Self::leaf`], with the PMD table known.
    pub(super) fn leaf_in<'t>(&'t self, pmd_table: Table<'t>, va: Va) -> Leaf<'t, A> {
        let cell = &pmd_table.entries[Level::Pmd.index(va)];
        loop {
            let raw = cell.load(Acquire);
            if raw == 0 {
                return Leaf::Absent;
            }
            if let Some(table) = self.table_of(raw) {
                let locked = PteTable::lock(self, table, va);
                if cell.load(Acquire) == raw {
                    return Leaf::Table(locked);
                }
            } else {
                let slot = PmdSlot::lock(self, pmd_table, va);
                if !slot.is_table() && !slot.is_none() {
                    return Leaf::Huge(slot);
                }
            }
        }
    }

    /// What is at PMD level for `va`, locked, with a PTE table allocated where nothing was
    /// (`pte_alloc_map_lock()`). Never [`Leaf::Absent`].
    ///
    /// # Errors
    /// [`NoMemory`]; tables allocated so far stay.
    pub fn leaf_alloc(&self, va: Va) -> Result<Leaf<'_, A>, NoMemory> {
        let pmd_table = self.pmd_table_alloc(va)?;
        loop {
            match self.leaf_in(pmd_table, va) {
                Leaf::Absent => {
                    self.child_alloc_pte(pmd_table, va)?;
                }
                leaf @ (Leaf::Huge(_) | Leaf::Table(_)) => return Ok(leaf),
            }
        }
    }

    /// Installs a PTE table in an empty PMD entry; leaves an entry that is not empty.
    pub(super) fn child_alloc_pte(&self, pmd_table: Table<'_>, va: Va) -> Result<(), NoMemory> {
        let new = self.new_table()?;
        let slot = PmdSlot::<A>::lock(self, pmd_table, va);
        if slot.entry() == Entry::NONE {
            Self::link(pmd_table, Level::Pmd.index(va), A::table(new.pfn()));
            self.count_table(Level::Pte, 1);
        } else {
            drop(slot);
            self.frames.free_table(new);
        }
        Ok(())
    }
}
