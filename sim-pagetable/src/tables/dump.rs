//! Page tables as a machine's memory holds them.

use sim_sync::prim::atomic::Ordering::Acquire;

use super::PageTables;
use crate::frames::Table;
use crate::{Arch, Level, Pfn};

/// A table as it lies in simulated physical memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dump {
    /// Its frame; [`Pfn::phys`] is its physical address.
    pub pfn: Pfn,
    /// Its level.
    pub level: Level,
    /// Its entries: what an MMU would read (little-endian 64-bit words).
    pub entries: Box<[u64]>,
}

impl Dump {
    /// Its 4096 bytes in memory.
    pub fn bytes(&self) -> Vec<u8> {
        self.entries
            .iter()
            .flat_map(|raw| raw.to_le_bytes())
            .collect()
    }
}

impl<A: Arch> PageTables<A> {
    /// All tables that an MMU can reach, each before those below it, lowest address first.
    pub fn dump(&self) -> Vec<Dump> {
        let mut tables = Vec::new();
        self.dump_below(self.root_table(), Level::Pgd, &mut tables);
        tables
    }

    fn dump_below(&self, table: Table<'_>, level: Level, out: &mut Vec<Dump>) {
        let entries: Box<[u64]> = table
            .entries
            .iter()
            .map(|cell| cell.load(Acquire))
            .collect();
        let children: Vec<_> = match level.below() {
            Some(below) => entries
                .iter()
                .filter_map(|&raw| self.table_of(raw))
                .map(|child| (child, below))
                .collect(),
            None => Vec::new(),
        };
        out.push(Dump {
            pfn: table.pfn(),
            level,
            entries,
        });
        for (child, below) in children {
            self.dump_below(child, below, out);
        }
    }
}
