//! Stores of VMAs: which addresses belong to which VMA.
//!
//! A store maps disjoint page ranges to [`VmaId`]s and knows nothing else about VMAs. The trait has
//! a maple-like default and, as baselines and references, a `BTreeMap` and a `rangemap` store.

use crate::{Bytes, PageRange, VirtAddr};

mod btree;
#[cfg(test)]
mod kernel_tests;
mod linear;
mod maple;
mod range_map;
mod reader;
#[cfg(test)]
mod reader_tests;
#[cfg(test)]
mod tests;

pub use btree::BTreeStore;
pub use maple::{MapleReader, MapleStore};
pub use range_map::RangeMapStore;
pub use reader::{Changing, LockedReader, StoreReader};

/// The store that an mm uses unless told otherwise.
pub type DefaultStore = MapleStore;

/// A VMA of one mm: its index in the mm's arena.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VmaId(pub u32);

/// A VMA's place in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its addresses.
    pub range: PageRange,
    /// Which VMA.
    pub id: VmaId,
}

/// The two entries around an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Neighbours {
    /// The last entry that starts below the address (it may contain it).
    pub prev: Option<Entry>,
    /// The first entry that starts at or above the address.
    pub next: Option<Entry>,
}

/// A store could not reserve what it needs (only by an injected failure).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

/// A set of disjoint ranges, each with a VMA, in address order.
///
/// Mutators never fail once [`reserve`](Self::reserve) has succeeded for as many insertions.
pub trait VmaStore: Default + Send + Sync + 'static {
    /// The store's name on the command line.
    const NAME: &'static str;

    /// Looks up entries without a lock, while another thread changes the store.
    type Reader: StoreReader;

    /// A handle for lookups without a lock: cheap to clone, made once for an address space.
    fn reader(&self) -> Self::Reader;

    /// Opens a bracket: what changes until [`end_change`](Self::end_change) appears to readers
    /// without a lock at once. Brackets nest; each change is one of its own.
    fn begin_change(&mut self);

    /// Closes a bracket.
    ///
    /// # Panics
    /// If none is open (stores with readers).
    fn end_change(&mut self);

    /// How many entries it has.
    fn len(&self) -> usize;

    /// Has it none?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry that contains `addr`: Linux's `vma_lookup()`.
    fn get(&self, addr: VirtAddr) -> Option<Entry>;

    /// The first entry that ends above `addr`: Linux's `find_vma()`.
    fn find(&self, addr: VirtAddr) -> Option<Entry>;

    /// The last entry that starts below `addr` and the first that starts at or above it.
    fn neighbours(&self, addr: VirtAddr) -> Neighbours;

    /// The entries below and above an entry, which has this range.
    fn sides(&self, range: PageRange) -> Neighbours {
        Neighbours {
            prev: self.neighbours(range.start()).prev,
            next: self.find(range.end()),
        }
    }

    /// All entries that end above `addr`, ascending.
    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_;

    /// Makes sure that `inserts` insertions cannot fail.
    ///
    /// # Errors
    /// Where memory is short (no store does that of itself today).
    fn reserve(&mut self, inserts: usize) -> Result<(), NoMemory>;

    /// Adds an entry.
    ///
    /// # Panics
    /// If the range is empty or overlaps an entry (the stores that would have to search for that
    /// look in debug builds only).
    fn insert(&mut self, range: PageRange, id: VmaId);

    /// Takes out the entry that starts at `start`.
    ///
    /// # Panics
    /// If there is none.
    fn remove(&mut self, start: VirtAddr) -> Entry;

    /// Changes the ends of the entry that starts at `start`; its place in the order stays.
    ///
    /// # Panics
    /// If there is none, or the new range is empty or overlaps another entry (as for
    /// [`insert`](Self::insert)).
    fn resize(&mut self, start: VirtAddr, to: PageRange);

    /// The lowest gap of at least `len` bytes within `within`: the whole gap, cut to `within`.
    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange>;

    /// The highest gap of at least `len` bytes within `within`: the whole gap, cut to `within`.
    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange>;

    /// Checks the structure against its definition.
    ///
    /// # Panics
    /// With the invariant's name if one is broken.
    fn check_invariants(&self);

    /// The structure for people: nodes, pivots, gaps (`--dump tree`).
    fn dump(&self) -> String;
}
