//! The memory of page tables: chunks that double in size, never moved, found from a table's number
//! by arithmetic.

use sim_sync::prim::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::OnceLock;

use sim_sync::prim::atomic::zeroed;
use sim_sync::tally::{self, Counted};
use sim_sync::{Mutex, MutexGuard, class};

use crate::Pfn;
use crate::addr::ENTRIES;

const FIRST_CHUNK: u32 = 32;
const CHUNKS: usize = 24;

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
    pub(crate) meta: &'t TableMeta,
}

impl<'t> Table<'t> {
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
            return TableLock(Some(self.meta.lock.lock()));
        }
        if cfg!(debug_assertions) {
            let guard = self.meta.lock.try_lock();
            return TableLock(Some(guard.expect("page-table lock taken twice")));
        }
        TableLock(None)
    }
}

/// A table's lock, held; nothing in single-threaded release builds.
pub(crate) struct TableLock<'t>(
    #[expect(dead_code, reason = "held for its drop")] Option<MutexGuard<'t, (), class::PageTable>>,
);

struct Chunk {
    entries: Box<[Entries]>,
    meta: Box<[TableMeta]>,
}

/// All tables.
pub(crate) struct Arena {
    chunks: [OnceLock<Chunk>; CHUNKS],
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
            chunks: [const { OnceLock::new() }; CHUNKS],
            free: Mutex::default(),
        }
    }

    /// Where the table with this number is: chunk and index in it.
    #[inline]
    const fn place(id: u32) -> (usize, usize) {
        let position = id + FIRST_CHUNK;
        let chunk = position.ilog2() - FIRST_CHUNK.ilog2();
        (chunk as usize, (position - (FIRST_CHUNK << chunk)) as usize)
    }

    /// The table with this number.
    #[inline]
    pub(crate) fn table(&self, id: u32) -> Table<'_> {
        let (chunk, index) = Self::place(id);
        let chunk = self.chunks[chunk].get().expect("table never allocated");
        Table {
            id,
            entries: &chunk.entries[index],
            meta: &chunk.meta[index],
        }
    }

    /// An empty table for the address space of `space` (table number + 1; 0: the table is a root).
    pub(super) fn alloc(&self, space: u32) -> Table<'_> {
        let mut free = self.free.lock();
        free.used += 1;
        let table = if free.head == 0 {
            free.touched += 1;
            let id = free.touched - 1;
            self.reserve(id);
            self.table(id)
        } else {
            let table = self.table(free.head - 1);
            free.head = table.meta.link.load(Relaxed);
            table
        };
        drop(free);
        table.meta.link.store(0, Relaxed);
        let owner = if space == 0 { table.id + 1 } else { space };
        table.meta.space.store(owner, Relaxed);
        table
    }

    fn reserve(&self, id: u32) {
        let (chunk, _) = Self::place(id);
        self.chunks[chunk].get_or_init(|| {
            let tables = (FIRST_CHUNK as usize) << chunk;
            Chunk {
                entries: zeroed(tables),
                meta: (0..tables).map(|_| TableMeta::default()).collect(),
            }
        });
    }

    /// Gives a table back; it is emptied.
    pub(super) fn free(&self, table: Table<'_>) {
        for entry in table.entries {
            entry.store(0, Relaxed);
        }
        table.meta.space.store(0, Relaxed);
        let mut free = self.free.lock();
        table.meta.link.store(free.head, Relaxed);
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
        (0..touched).filter(move |&id| self.table(id).meta.space.load(Relaxed) == root + 1)
    }
}
