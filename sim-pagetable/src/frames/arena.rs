//! The memory of page tables, found from a table's number.

use sim_sync::prim::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use sim_sync::prim::atomic::zeroed;
use sim_sync::tally::{self, Counted};
use sim_sync::{Chunked, Mutex, MutexGuard, class};

use super::NoMemory;
use crate::Pfn;
use crate::addr::ENTRIES;

/// Tables of the first chunk.
const FIRST_CHUNK: usize = 32;

/// The entries of a table.
pub(crate) type Entries = [AtomicU64; ENTRIES];

/// What the simulator keeps of a table besides its entries (`struct ptdesc`): a cache line, so that
/// threads that lock different tables do not disturb each other.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct TableMeta {
    /// The page-table lock of the table.
    lock: Mutex<(), class::PageTable>,
    /// The root of the address space it belongs to, as table number + 1; 0 if it is free.
    pub(crate) space: AtomicU32,
    /// Of a PMD table: the tables deposited for its huge entries, as number + 1 of the last one;
    /// of a deposited or free table: the next one.
    pub(crate) link: AtomicU32,
}

/// A table: its entries and what belongs to it.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    pub(crate) id: u32,
    pub(crate) entries: &'t Entries,
    arena: &'t Arena,
}

impl<'t> Table<'t> {
    /// What belongs to it besides its entries.
    #[inline]
    pub(crate) fn meta(self) -> &'t TableMeta {
        let meta = self.arena.meta.get(self.id as usize);
        meta.expect("made with the table")
    }

    /// Its frame number.
    #[inline]
    pub(crate) fn pfn(self) -> Pfn {
        Pfn::TABLE_BASE.add(u64::from(self.id))
    }

    /// Locks it if threads run.
    #[track_caller]
    #[inline]
    pub(crate) fn lock(self, concurrent: bool) -> TableLock<'t> {
        tally::count(Counted::PageTable);
        if concurrent {
            return TableLock(Some(self.meta().lock.lock()));
        }
        if cfg!(debug_assertions) {
            let guard = self.meta().lock.try_lock();
            return TableLock(Some(guard.expect("page-table lock taken twice")));
        }
        TableLock(None)
    }
}

/// A table's lock, held; nothing in single-threaded release builds.
pub(crate) struct TableLock<'t>(
    #[expect(dead_code, reason = "held for its drop")] Option<MutexGuard<'t, (), class::PageTable>>,
);

/// All tables.
pub(crate) struct Arena {
    entries: Chunked<Entries, FIRST_CHUNK>,
    meta: Chunked<TableMeta, FIRST_CHUNK>,
    free: Mutex<FreeTables, class::FreeTables>,
}

#[derive(Default)]
struct FreeTables {
    /// Number + 1 of the table freed last.
    head: u32,
    /// Tables ever used.
    touched: u32,
    /// Tables in use.
    used: u32,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self {
            entries: Chunked::new(),
            meta: Chunked::new(),
            free: Mutex::default(),
        }
    }

    /// The entries of the table with this number.
    #[inline]
    pub(crate) fn entries(&self, id: u32) -> &Entries {
        self.entries
            .get(id as usize)
            .expect("a table that was made")
    }

    /// The table with this number.
    #[inline]
    pub(crate) fn table(&self, id: u32) -> Table<'_> {
        Table {
            id,
            entries: self.entries(id),
            arena: self,
        }
    }

    /// An empty table for the address space of `space` (table number + 1; 0: the table is a root).
    ///
    /// # Errors
    /// [`NoMemory`] if this program may not have as much memory as the simulated machine.
    pub(super) fn alloc(&self, space: u32) -> Result<Table<'_>, NoMemory> {
        let mut free = self.free.lock();
        let table = if free.head == 0 {
            let id = free.touched;
            self.reserve(id).ok_or(NoMemory)?;
            free.touched += 1;
            self.table(id)
        } else {
            let table = self.table(free.head - 1);
            free.head = table.meta().link.load(Relaxed);
            table
        };
        free.used += 1;
        drop(free);
        table.meta().link.store(0, Relaxed);
        let owner = if space == 0 { table.id + 1 } else { space };
        table.meta().space.store(owner, Relaxed);
        Ok(table)
    }

    fn reserve(&self, id: u32) -> Option<()> {
        let id = id as usize;
        self.entries.try_make(id, zeroed)?;
        let meta = std::iter::repeat_with(TableMeta::default);
        self.meta.get_or_make(id, |len| meta.take(len).collect());
        Some(())
    }

    /// Gives a table back; it is emptied.
    pub(super) fn free(&self, table: Table<'_>) {
        for entry in table.entries {
            entry.store(0, Relaxed);
        }
        table.meta().space.store(0, Relaxed);
        let mut free = self.free.lock();
        table.meta().link.store(free.head, Relaxed);
        free.head = table.id + 1;
        free.used -= 1;
    }

    /// Tables in use.
    pub(super) fn used(&self) -> u64 {
        u64::from(self.free.lock().used)
    }

    /// The numbers of the tables of the address space with this root, in order.
    pub(crate) fn of_space(&self, root: u32) -> impl Iterator<Item = u32> {
        let touched = self.free.lock().touched;
        (0..touched).filter(move |&id| self.table(id).meta().space.load(Relaxed) == root + 1)
    }
}
