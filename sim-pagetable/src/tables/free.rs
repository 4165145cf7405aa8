//! Freeing tables (mm/memory.c: `free_pgd_range()`, mm/pt_reclaim.c).

use sim_sync::Mutant;
use sim_sync::prim::atomic::Ordering::{Acquire, Relaxed, Release};

use super::huge::pop_deposit;
use super::walk::entry_end;
use super::{PageTables, PmdSlot};
use crate::frames::Table;
use crate::{Arch, Flush, Level, Va, VaRange};

/// A range whose tables are to be freed, and how far that may reach.
#[derive(Clone, Copy)]
struct Bounds {
    start: Va,
    end: Va,
    floor: Va,
    /// 0: no ceiling.
    ceiling: Va,
}

impl Bounds {
    /// Does the entry of `level` around `start` lie wholly between floor and ceiling, with all of
    /// `start..end` in it?
    fn frees_table(self, level: Level) -> bool {
        let mask = !(level.span() - 1);
        if self.start.get() & mask < self.floor.get() {
            return false;
        }
        let ceiling = self.ceiling.get() & mask;
        if self.ceiling.get() != 0 && ceiling == 0 {
            return false;
        }
        self.end.get() - 1 <= ceiling.wrapping_sub(1)
    }
}

impl<A: Arch> PageTables<A> {
    /// Frees the tables of `range`, whose entries were all removed, as far as nothing outside of
    /// it between `floor` and `ceiling` can need them: `floor` is the end of the VMA before,
    /// `ceiling` the start of the one after (0: none). Returns the flush of walk caches.
    ///
    /// # Panics
    /// In debug builds, if a table freed is not empty.
    pub fn free_tables(&self, range: VaRange, floor: Va, ceiling: Va) -> Flush {
        let before = self.counts();
        if let Some(bounds) = Self::free_bounds(range, floor, ceiling) {
            self.free_entries(self.root_table(), Level::Pgd, bounds);
        }
        Flush::none().with_tables_freed(before != self.counts())
    }

    /// Extends to whole PMD entries, then keeps off floor and ceiling.
    fn free_bounds(range: VaRange, floor: Va, ceiling: Va) -> Option<Bounds> {
        if range.is_empty() {
            return None;
        }
        let mut start = range.start().huge_down();
        let mut end = range.end();
        if start < floor {
            start = start.add(Level::Pmd.span());
        }
        let ceiling = if ceiling.get() == 0 {
            ceiling
        } else {
            let down = ceiling.huge_down();
            if down.get() == 0 {
                return None;
            }
            down
        };
        if end.get() - 1 > ceiling.get().wrapping_sub(1) {
            end = Va::new(end.get() - Level::Pmd.span());
        }
        (start < end).then_some(Bounds {
            start,
            end,
            floor,
            ceiling,
        })
    }

    fn free_entries(&self, table: Table<'_>, level: Level, bounds: Bounds) {
        let below = level.below().expect("PTE entries have no table");
        let mut position = bounds.start;
        while position < bounds.end {
            let start = position;
            position = entry_end(start, bounds.end, level);
            let index = level.index(start);
            let Some(child) = self.table_of(table.entries[index].load(Acquire)) else {
                continue;
            };
            let part = Bounds {
                start,
                end: position,
                ..bounds
            };
            if below == Level::Pte {
                self.free_child(table, index, Level::Pte);
                continue;
            }
            self.free_entries(child, below, part);
            if part.frees_table(level) {
                self.free_child(table, index, below);
            }
        }
    }

    /// Unlinks and frees the (empty) table below an entry.
    fn free_child(&self, table: Table<'_>, index: usize, below: Level) {
        let lock = table.lock(self.frames.concurrent());
        let child = self.table_of(table.entries[index].load(Acquire));
        table.entries[index].store(0, Release);
        drop(lock);
        let child = child.expect("table vanished while being freed");
        debug_assert!(
            child.entries.iter().all(|cell| cell.load(Relaxed) == 0),
            "freed table is not empty"
        );
        self.count_table(below, -1);
        self.frames.free_table(child);
    }

    /// Frees the PTE table of `va` if all its entries are empty (`try_to_free_pte()`,
    /// CONFIG_PT_RECLAIM). `None` if there is no such table.
    pub fn free_table_if_empty(&self, va: Va) -> Option<Flush> {
        let slot: PmdSlot<'_, A> = self.pmd(va)?;
        let mut table = slot.lock_table()?;
        if !table.is_empty() {
            return None;
        }
        if Mutant::FreeTableUnlocked.is_active() {
            drop(table);
            table = slot.lock_table()?;
        }
        Some(slot.take_table(table).1)
    }

    /// Frees everything below `table`, without looking at leaves.
    pub(super) fn free_below(&self, table: Table<'_>, level: Level) {
        let Some(below) = level.below() else {
            return;
        };
        for cell in table.entries {
            let raw = cell.load(Acquire);
            if raw == 0 {
                continue;
            }
            if let Some(child) = self.table_of(raw) {
                self.free_below(child, below);
                self.count_table(below, -1);
                self.frames.free_table(child);
            }
            cell.store(0, Relaxed);
        }
        if level == Level::Pmd {
            while let Some(id) = pop_deposit(self, table) {
                self.count_table(Level::Pte, -1);
                self.frames.free_table(self.frames.table(id));
            }
        }
    }
}
