//! The page tables of an address space.

mod copy;
mod dump;
mod free;
mod huge;
mod invariants;
mod lock;
mod lookup;
mod moves;
#[cfg(test)]
mod tests;
mod walk;

use sim_sync::prim::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use self::copy::{CopyError, CopyRun};
pub use self::dump::Dump;
pub use self::huge::Detached;
pub use self::invariants::TablesInvariant;
pub use self::lock::{Leaf, PmdSlot, PteSlot, PteTable};
pub use self::moves::{MoveRequest, MoveStopped};
pub use self::walk::Run;
use crate::frames::{Entries, Table};
use crate::{Arch, Entry, Flush, FlushStats, Frames, Level, NoMemory, PAGE_SIZE, Pfn, Va};

/// The page tables of an address space: a root, what hangs from it, and counters.
///
/// All tables are freed when it is dropped; the pages that entries refer to are its user's.
pub struct PageTables<A: Arch> {
    frames: Arc<Frames>,
    root: u32,
    ptes: AtomicU64,
    pmds: AtomicU64,
    puds: AtomicU64,
    stats: FlushStats,
    format: PhantomData<A>,
}

/// How many tables an address space has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TableCounts {
    /// PTE tables, deposited ones included.
    pub ptes: u64,
    /// PMD tables.
    pub pmds: u64,
    /// PUD tables.
    pub puds: u64,
}

impl TableCounts {
    /// `VmPTE` in bytes (`mm_pgtables_bytes()`); the root is not counted.
    pub const fn bytes(self) -> u64 {
        (self.ptes + self.pmds + self.puds) * PAGE_SIZE
    }
}

impl<A: Arch> fmt::Debug for PageTables<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageTables")
            .field("arch", &A::NAME)
            .field("root", &self.root())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl<A: Arch> PageTables<A> {
    /// Empty page tables: a root (`pgd_alloc()`).
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(frames: Arc<Frames>) -> Result<Self, NoMemory> {
        let root = frames.alloc_table(0)?.id;
        Ok(Self {
            frames,
            root,
            ptes: AtomicU64::new(0),
            pmds: AtomicU64::new(0),
            puds: AtomicU64::new(0),
            stats: FlushStats::default(),
            format: PhantomData,
        })
    }

    /// The memory they are in.
    pub const fn frames(&self) -> &Arc<Frames> {
        &self.frames
    }

    /// The root table: what CR3 or TTBR0_EL1 would hold.
    pub fn root(&self) -> Pfn {
        self.frames.table(self.root).pfn()
    }

    /// Tables by level.
    pub fn counts(&self) -> TableCounts {
        TableCounts {
            ptes: self.ptes.load(Relaxed),
            pmds: self.pmds.load(Relaxed),
            puds: self.puds.load(Relaxed),
        }
    }

    /// `VmPTE` in bytes.
    pub fn table_bytes(&self) -> u64 {
        self.counts().bytes()
    }

    /// Counts of TLB flushes.
    pub const fn flush_stats(&self) -> &FlushStats {
        &self.stats
    }

    /// Pays a flush with the architecture's rules.
    pub fn flush(&self, flush: Flush) {
        flush.now(&self.stats, A::FLUSH_CEILING);
    }

    /// Counts a live entry that is replaced by way of an invalid one, where that is needed.
    fn count_break_before_make(&self) {
        if A::BREAK_BEFORE_MAKE {
            self.stats.break_before_make.fetch_add(1, Relaxed);
        }
    }

    fn root_table(&self) -> Table<'_> {
        self.frames.table(self.root)
    }

    /// The number of the table that an entry of an upper level refers to.
    #[inline]
    fn table_id(raw: u64) -> Option<u32> {
        let pfn = A::table_pfn(raw)?;
        let id = pfn.get().checked_sub(Pfn::TABLE_BASE.get());
        Some(id.expect("an upper-level entry refers to RAM") as u32)
    }

    /// The table that an entry of an upper level refers to.
    #[inline]
    fn table_of(&self, raw: u64) -> Option<Table<'_>> {
        Some(self.frames.table(Self::table_id(raw)?))
    }

    /// The entries of that table: all that a walk needs that goes on below.
    #[inline]
    fn entries_of(&self, raw: u64) -> Option<&Entries> {
        Some(self.frames.arena().entries(Self::table_id(raw)?))
    }

    fn new_table(&self) -> Result<Table<'_>, NoMemory> {
        self.frames.alloc_table(self.root + 1)
    }

    /// The counter of the tables of a level; the root is not counted.
    const fn counter(&self, level: Level) -> Option<&AtomicU64> {
        match level {
            Level::Pte => Some(&self.ptes),
            Level::Pmd => Some(&self.pmds),
            Level::Pud => Some(&self.puds),
            Level::Pgd => None,
        }
    }

    fn count_table(&self, level: Level, change: i64) {
        if let Some(counter) = self.counter(level) {
            counter.fetch_add(change.cast_unsigned(), Relaxed);
        }
    }

    /// The leaf entry for `va`, read without locks: an entry of a PTE table, or the 2 MiB leaf (or
    /// other non-table entry) of a PMD table. Empty where there is none.
    pub fn entry(&self, va: Va) -> Entry<A> {
        let Some(pud) = self.pud_entry(va) else {
            return Entry::NONE;
        };
        let Some(pmd_table) = self.entries_of(pud) else {
            return Entry::NONE;
        };
        let pmd = pmd_table[Level::Pmd.index(va)].load(Acquire);
        match self.entries_of(pmd) {
            Some(table) => Entry::from_raw(table[va.pte_index()].load(Acquire)),
            None => Entry::from_raw(pmd),
        }
    }

    /// The frame that `va` maps, of a 4 KiB or 2 MiB leaf, `PROT_NONE` included.
    pub fn translate(&self, va: Va) -> Option<Pfn> {
        let entry = self.entry(va);
        let pfn = entry.pfn()?;
        Some(if entry.is_huge() {
            pfn.add(va.pte_index() as u64)
        } else {
            pfn
        })
    }

    fn link(table: Table<'_>, index: usize, raw: u64) {
        table.entries[index].store(raw, Release);
    }
}

impl<A: Arch> Drop for PageTables<A> {
    fn drop(&mut self) {
        self.free_below(self.root_table(), Level::Pgd);
        self.frames.free_table(self.root_table());
    }
}
