//! Leaves: entries in order, as arrays of starts, ends and ids.
//!
//! Starts and ends are page offsets from the leaf's base: half the memory of addresses, and a
//! search is a few vector comparisons. A leaf can hold starts that are at most [`SPAN`] pages
//! apart; entries that are farther from each other are in different leaves, however empty. The end
//! of the last entry may be any address and is kept as such.

mod edit;
mod racy;

use sim_sync::prim::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use sim_sync::SeqCount;

use crate::store::{Entry, VmaId};
use crate::{PAGE_SHIFT, PageRange, VirtAddr};

use super::arena::{Link, Node, NodeId};
use super::slots::{Halves, Slots as _};

/// Entries in a full leaf.
pub(super) const LEAF_SLOTS: usize = 32;
/// A leaf with fewer entries is merged with a neighbour, or filled up from it.
pub(super) const LEAF_MIN: usize = LEAF_SLOTS / 4;
/// Two leaves are merged if they have at most so many entries; the rest is room for insertions
/// before the next split.
pub(super) const LEAF_MERGED: usize = LEAF_SLOTS * 3 / 4;

/// Slots that insertions in order leave free, so that entries can be split later without splitting
/// leaves.
const SLACK: usize = 2;

/// The offset in unused slots, above all others.
const UNUSED: i32 = i32::MAX;
/// The offset of the last entry's end if it is out of reach.
const FAR: i32 = i32::MAX - 1;
/// The highest offset of a start.
const SPAN: u64 = i32::MAX as u64 - 2;

/// As many slots of 32 bits as a leaf has entries.
type LeafSlots<T> = Halves<T, LEAF_SLOTS, { LEAF_SLOTS / 2 }>;

/// A leaf.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Leaf {
    /// Where entries start, in pages from the base.
    starts: LeafSlots<i32>,
    /// Where they end; for the last one, [`FAR`] at most.
    ends: LeafSlots<i32>,
    /// Whose they are.
    ids: LeafSlots<u32>,
    /// The page that offsets count from: at or below the first start.
    base: AtomicU64,
    /// Where the last entry ends, as an address (0 if there is none).
    last_end: AtomicU64,
    /// The leaf before it.
    prev: Link,
    /// The leaf after it.
    next: Link,
    len: AtomicU8,
    last_insert: AtomicU8,
    /// Does its parent know its widest gap? (For the root: meaningless.)
    gap_known: AtomicBool,
    /// Odd while its entries change; goes on counting when the node is used again.
    seq: SeqCount,
}

impl Node for Leaf {
    const TAG: usize = 1;

    fn new_free() -> Self {
        Self {
            starts: Halves::filled(UNUSED),
            ends: Halves::filled(UNUSED),
            ids: Halves::filled(0),
            base: AtomicU64::new(0),
            last_end: AtomicU64::new(0),
            prev: Link::new(NodeId::NONE),
            next: Link::new(NodeId::NONE),
            len: AtomicU8::new(0),
            last_insert: AtomicU8::new(u8::MAX),
            gap_known: AtomicBool::new(false),
            seq: SeqCount::new(),
        }
    }

    fn clear(&self) {
        self.starts.fill(UNUSED);
        self.base.store(0, Relaxed);
        self.last_end.store(0, Relaxed);
        self.prev.set(NodeId::NONE);
        self.next.set(NodeId::NONE);
        self.len.store(0, Relaxed);
        self.last_insert.store(u8::MAX, Relaxed);
        self.set_gap_known(false);
    }

    fn free_link(&self) -> &Link {
        &self.next
    }
}

impl Leaf {
    /// How many entries it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len.load(Relaxed))
    }

    /// Has it no room?
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() == LEAF_SLOTS
    }

    /// The leaf before it.
    #[inline]
    pub(super) fn prev(&self) -> NodeId {
        self.prev.get()
    }

    /// The leaf after it.
    #[inline]
    pub(super) fn next(&self) -> NodeId {
        self.next.get()
    }

    /// Does its parent know its widest gap?
    pub(super) fn gap_known(&self) -> bool {
        self.gap_known.load(Relaxed)
    }

    /// Notes whether it does.
    #[inline]
    pub(super) fn set_gap_known(&self, known: bool) {
        self.gap_known.store(known, Relaxed);
    }

    /// Its entries are about to change; false if that was said already.
    #[inline]
    pub(super) fn begin_change(&self) -> bool {
        let first = !self.seq.is_changing();
        if first {
            self.seq.begin();
        }
        first
    }

    /// Its entries are as they are to be.
    #[inline]
    pub(super) fn end_change(&self) {
        self.seq.end();
    }

    /// Where entries start, with the marks of unused slots.
    #[expect(
        unsafe_code,
        reason = "comparing many starts at once needs plain loads"
    )]
    #[inline]
    fn starts(&self) -> &[i32; LEAF_SLOTS] {
        // SAFETY: as long as there is a `&Leaf`, nobody changes the leaf (see `arena`).
        unsafe { self.starts.plain() }
    }

    /// Where entries end.
    #[expect(unsafe_code, reason = "comparing many ends at once needs plain loads")]
    #[inline]
    fn ends(&self) -> &[i32; LEAF_SLOTS] {
        // SAFETY: as long as there is a `&Leaf`, nobody changes the leaf (see `arena`).
        unsafe { self.ends.plain() }
    }

    #[inline]
    fn base(&self) -> u64 {
        self.base.load(Relaxed)
    }

    /// An address as an offset: -1 for all below the base, and at most [`FAR`].
    #[inline]
    fn offset(&self, addr: u64) -> i32 {
        let pages = (addr >> PAGE_SHIFT).cast_signed() - self.base().cast_signed();
        pages.clamp(-1, i64::from(FAR)) as i32
    }

    #[inline]
    fn address(&self, offset: i32) -> u64 {
        (self.base() + u64::from(offset.cast_unsigned())) << PAGE_SHIFT
    }

    /// The number of its entries that start at or below `addr`.
    #[inline]
    pub(super) fn count_le(&self, addr: u64) -> usize {
        let offset = self.offset(addr);
        let below = self
            .starts()
            .iter()
            .map(|start| i32::from(*start <= offset));
        below.sum::<i32>().cast_unsigned() as usize
    }

    /// Where the entry in a slot starts.
    #[inline]
    pub(super) fn start(&self, slot: usize) -> u64 {
        self.address(self.starts()[slot])
    }

    /// Where the entry in a slot ends.
    #[inline]
    pub(super) fn end(&self, slot: usize) -> u64 {
        if slot + 1 == self.len() {
            self.last_end()
        } else {
            self.address(self.ends()[slot])
        }
    }

    /// Where its last entry ends (0 if it has none).
    #[inline]
    pub(super) fn last_end(&self) -> u64 {
        self.last_end.load(Relaxed)
    }

    /// Do keys from the first start up to `key` certainly belong to this leaf?
    #[inline]
    pub(super) fn covers(&self, key: u64) -> bool {
        let last = self.len().wrapping_sub(1);
        let offset = self.offset(key);
        self.starts()[0] <= offset && (self.next().is_none() || offset <= self.starts()[last])
    }

    /// Is `slot` certainly that of the last entry that starts at or below `key`?
    #[inline]
    pub(super) fn is_next_above(&self, slot: usize, key: u64) -> bool {
        let offset = self.offset(key);
        slot + 1 < self.len() && self.starts()[slot] <= offset && offset < self.starts()[slot + 1]
    }

    /// The entry in a slot.
    #[inline]
    pub(super) fn entry(&self, slot: usize) -> Entry {
        let (start, end) = (self.start(slot), self.end(slot));
        Entry {
            range: PageRange::new(VirtAddr::new(start), VirtAddr::new(end)),
            id: VmaId(self.ids.get(slot)),
        }
    }

    /// Its last entry.
    pub(super) fn last(&self) -> Option<Entry> {
        self.len().checked_sub(1).map(|slot| self.entry(slot))
    }

    /// Its first entry.
    pub(super) fn first(&self) -> Option<Entry> {
        (self.len() > 0).then(|| self.entry(0))
    }

    /// The widest gap between two of its entries, in bytes.
    pub(super) fn widest_inside(&self) -> u64 {
        let starts = self.starts().get(1..self.len()).unwrap_or_default();
        let gaps = starts
            .iter()
            .zip(self.ends())
            .map(|(start, end)| start - end);
        u64::from(gaps.fold(0, i32::max).cast_unsigned()) << PAGE_SHIFT
    }

    /// Where to split when an entry is to come to `slot`.
    ///
    /// A full leaf is split in the middle, but near `slot` if insertions come in ascending or
    /// descending order: what they leave behind has room for [`SLACK`] entries. A leaf that has
    /// room is split at `slot`: the entry is too far away.
    pub(super) fn split_point(&self, slot: usize) -> usize {
        let last = usize::from(self.last_insert.load(Relaxed));
        let highest = LEAF_SLOTS - SLACK;
        if !self.is_full() {
            slot
        } else if slot == last + 1 {
            slot.min(highest)
        } else if slot == last {
            (slot + SLACK).min(highest)
        } else {
            LEAF_SLOTS / 2
        }
    }

    /// Are unused slots marked as such, and is what is kept twice the same?
    pub(super) fn is_sound(&self) -> bool {
        let len = self.len();
        let unused = self.starts()[len..].iter().all(|start| *start == UNUSED);
        let last = len.checked_sub(1).map_or(UNUSED, |slot| self.ends()[slot]);
        unused
            && last
                == if len == 0 {
                    UNUSED
                } else {
                    self.offset(self.last_end())
                }
    }
}
