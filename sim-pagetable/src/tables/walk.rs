//! Walks over ranges, one 2 MiB block at a time (mm/pagewalk.c).

use sim_sync::prim::atomic::Ordering::Acquire;

use super::{Leaf, PageTables};
use crate::frames::Table;
use crate::{Arch, Level, NoMemory, Va, VaRange};

/// A part of a walk: the piece of the range within one 2 MiB block, and what is there, locked.
#[derive(Debug)]
pub struct Run<'t, A: Arch> {
    /// The part of the range.
    pub range: VaRange,
    /// What is there; never absent.
    pub leaf: Leaf<'t, A>,
}

/// The end of the `level` entry that contains `va`, or `end` if that is nearer.
pub(super) fn entry_end(va: Va, end: Va, level: Level) -> Va {
    let next = (va.get() & !(level.span() - 1)) + level.span();
    end.min(Va::new(next))
}

impl<A: Arch> PageTables<A> {
    /// Visits what exists in `range`, lowest address first: huge entries and PTE tables. Absent
    /// tables are skipped whole. Each item holds a lock, so drop it before the next step touches
    /// the same 2 MiB; between items tables may change.
    pub fn walk(&self, range: VaRange) -> impl Iterator<Item = Run<'_, A>> {
        let mut position = range.start();
        let end = range.end();
        std::iter::from_fn(move || {
            while let Some(pmd_table) = self.next_pmd_table(&mut position, end) {
                let limit = entry_end(position, end, Level::Pud);
                while position < limit {
                    let start = position;
                    position = entry_end(start, limit, Level::Pmd);
                    match self.leaf_in(pmd_table, start) {
                        Leaf::Absent => {}
                        leaf @ (Leaf::Huge(_) | Leaf::Table(_)) => {
                            let range = VaRange::new(start, position);
                            return Some(Run { range, leaf });
                        }
                    }
                }
            }
            None
        })
    }

    /// The parts of `range` that no PTE table and no huge entry is for, lowest address first: each as
    /// large as what the empty entry of a higher table stands for.
    pub fn holes(&self, range: VaRange) -> impl Iterator<Item = VaRange> + '_ {
        let mut position = range.start();
        let end = range.end();
        std::iter::from_fn(move || {
            while position < end {
                let start = position;
                let empty = self.empty_level(start);
                position = entry_end(start, end, empty.unwrap_or(Level::Pmd));
                if empty.is_some() {
                    return Some(VaRange::new(start, position));
                }
            }
            None
        })
    }

    /// The highest level at which there is nothing for an address; `None` if there is a PTE table or a
    /// huge entry.
    fn empty_level(&self, va: Va) -> Option<Level> {
        let pgd = self.root_table().entries[Level::Pgd.index(va)].load(Acquire);
        let Some(pud_table) = self.table_of(pgd) else {
            return Some(Level::Pgd);
        };
        let pud = pud_table.entries[Level::Pud.index(va)].load(Acquire);
        let Some(pmd_table) = self.table_of(pud) else {
            return Some(Level::Pud);
        };
        match self.leaf_in(pmd_table, va) {
            Leaf::Absent => Some(Level::Pmd),
            Leaf::Huge(_) | Leaf::Table(_) => None,
        }
    }

    /// Moves `position` to the next address below `end` that has a PMD table.
    fn next_pmd_table(&self, position: &mut Va, end: Va) -> Option<Table<'_>> {
        while *position < end {
            let pgd = self.root_table().entries[Level::Pgd.index(*position)].load(Acquire);
            let Some(pud_table) = self.table_of(pgd) else {
                *position = entry_end(*position, end, Level::Pgd);
                continue;
            };
            let limit = entry_end(*position, end, Level::Pgd);
            while *position < limit {
                let pud = pud_table.entries[Level::Pud.index(*position)].load(Acquire);
                if let Some(pmd_table) = self.table_of(pud) {
                    return Some(pmd_table);
                }
                *position = entry_end(*position, limit, Level::Pud);
            }
        }
        None
    }

    /// Visits every 2 MiB block of `range`, allocating tables where nothing is. The walk ends
    /// after a failed allocation.
    pub fn walk_alloc(&self, range: VaRange) -> impl Iterator<Item = Result<Run<'_, A>, NoMemory>> {
        let mut position = range.start();
        let end = range.end();
        std::iter::from_fn(move || {
            if position >= end {
                return None;
            }
            let start = position;
            position = entry_end(start, end, Level::Pmd);
            let range = VaRange::new(start, position);
            let leaf = self.leaf_alloc(start);
            if leaf.is_err() {
                position = end;
            }
            Some(leaf.map(|leaf| Run { range, leaf }))
        })
    }
}
