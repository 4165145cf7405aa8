//! What must always hold of page tables, from the definitions.

use sim_sync::prim::atomic::Ordering::Acquire;
use std::collections::BTreeSet;

use thiserror::Error;

use super::{PageTables, TableCounts};
use crate::{Arch, Entry, Level, Pfn};

/// A broken invariant of [`PageTables`].
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TablesInvariant {
    /// A table is referred to twice.
    #[error("table {0:?} is referred to twice")]
    Shared(Pfn),
    /// A table that is free, or another address space's.
    #[error("table {0:?} does not belong to the address space that refers to it")]
    Foreign(Pfn),
    /// Tables of this address space that nothing refers to.
    #[error("tables {0:?} are leaked")]
    Leaked(Vec<Pfn>),
    /// Counting gives other numbers than the counters.
    #[error("the tables are {counted:?}, the counters say {counters:?}")]
    Counts {
        /// What counting gives.
        counted: TableCounts,
        /// What the counters say.
        counters: TableCounts,
    },
    /// An entry that its level cannot have.
    #[error("{level:?} table {table:?} has entry {raw:#x} at {index}")]
    BadEntry {
        /// The table.
        table: Pfn,
        /// Its level.
        level: Level,
        /// Which entry.
        index: usize,
        /// Its bits.
        raw: u64,
    },
    /// A deposited table has entries.
    #[error("deposited table {0:?} is not empty")]
    FullDeposit(Pfn),
    /// More tables deposited than huge entries.
    #[error("PMD table {0:?} has {1} deposited tables for {2} huge entries")]
    Deposits(Pfn, usize, usize),
}

/// What a check has seen so far.
#[derive(Default)]
struct Seen {
    tables: BTreeSet<u32>,
    counts: TableCounts,
}

impl<A: Arch> PageTables<A> {
    /// Checks what must always hold of page tables alone. No other thread may change them
    /// meanwhile.
    ///
    /// # Errors
    /// The first broken invariant.
    pub fn check_invariants(&self) -> Result<(), TablesInvariant> {
        let mut seen = Seen::default();
        self.check_table(self.root, Level::Pgd, &mut seen)?;
        let leaked: Vec<Pfn> = (self.frames.arena().of_space(self.root))
            .filter(|id| !seen.tables.contains(id))
            .map(table_pfn)
            .collect();
        if !leaked.is_empty() {
            return Err(TablesInvariant::Leaked(leaked));
        }
        let (counted, counters) = (seen.counts, self.counts());
        if counted != counters {
            return Err(TablesInvariant::Counts { counted, counters });
        }
        Ok(())
    }

    fn check_table(&self, id: u32, level: Level, seen: &mut Seen) -> Result<(), TablesInvariant> {
        self.check_owned(id, seen)?;
        match level {
            Level::Pgd => {}
            Level::Pud => seen.counts.puds += 1,
            Level::Pmd => seen.counts.pmds += 1,
            Level::Pte => seen.counts.ptes += 1,
        }
        let mut leaves = 0;
        for (index, cell) in self.frames.table(id).entries.iter().enumerate() {
            let raw = cell.load(Acquire);
            if raw == 0 {
                continue;
            }
            if !Self::entry_fits(raw, level, index) {
                let table = table_pfn(id);
                return Err(TablesInvariant::BadEntry {
                    table,
                    level,
                    index,
                    raw,
                });
            }
            match (level.below(), A::table_pfn(raw)) {
                (Some(below), Some(pfn)) => {
                    let child = (pfn.get() - Pfn::TABLE_BASE.get()) as u32;
                    self.check_table(child, below, seen)?;
                }
                (Some(_), None) => leaves += 1,
                (None, _) => {}
            }
        }
        if level == Level::Pmd {
            self.check_deposits(id, leaves, seen)
        } else {
            Ok(())
        }
    }

    fn check_owned(&self, id: u32, seen: &mut Seen) -> Result<(), TablesInvariant> {
        if !seen.tables.insert(id) {
            return Err(TablesInvariant::Shared(table_pfn(id)));
        }
        if self.frames.table(id).meta().space.load(Acquire) != self.root + 1 {
            return Err(TablesInvariant::Foreign(table_pfn(id)));
        }
        Ok(())
    }

    /// May a nonempty entry be in a table of this level, at this index?
    fn entry_fits(raw: u64, level: Level, index: usize) -> bool {
        let entry = Entry::<A>::from_raw(raw);
        let below_table = A::table_pfn(raw).is_some_and(Pfn::is_table);
        match level {
            Level::Pgd => below_table && index < 1 << (A::VA_BITS - Level::Pgd.shift()),
            Level::Pud => below_table,
            Level::Pmd => below_table || !entry.is_present() || entry.is_huge(),
            Level::Pte => !entry.is_huge() && entry.pfn().is_none_or(|pfn| !pfn.is_table()),
        }
    }

    fn check_deposits(
        &self,
        id: u32,
        leaves: usize,
        seen: &mut Seen,
    ) -> Result<(), TablesInvariant> {
        let mut deposits = 0;
        let mut next = self.frames.table(id).meta().link.load(Acquire);
        while let Some(deposit) = next.checked_sub(1) {
            self.check_owned(deposit, seen)?;
            let table = self.frames.table(deposit);
            if table.entries.iter().any(|cell| cell.load(Acquire) != 0) {
                return Err(TablesInvariant::FullDeposit(table_pfn(deposit)));
            }
            seen.counts.ptes += 1;
            deposits += 1;
            next = table.meta().link.load(Acquire);
        }
        if deposits > leaves {
            return Err(TablesInvariant::Deposits(table_pfn(id), deposits, leaves));
        }
        Ok(())
    }
}

fn table_pfn(id: u32) -> Pfn {
    Pfn::TABLE_BASE.add(u64::from(id))
}
