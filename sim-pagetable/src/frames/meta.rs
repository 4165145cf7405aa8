//! The 16 bytes that a frame costs.

use sim_sync::prim::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use bitflags::bitflags;

use crate::addr::HUGE_PAGES;

bitflags! {
    /// State of a frame (`struct page` and `struct folio` flags). The first eight share a word
    /// with the counts, so that fork changes all in one operation.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct FrameFlags: u32 {
        /// Anonymous memory.
        const ANON = 1 << 0;
        /// One process has it: it may be written without a copy (`PG_anon_exclusive`).
        const ANON_EXCLUSIVE = 1 << 1;
        /// First frame of a large folio (`PG_head`).
        const LARGE_HEAD = 1 << 2;
        /// Another frame of a large folio.
        const LARGE_TAIL = 1 << 3;
        /// Page of a file's cache.
        const FILE = 1 << 4;
        /// Page of shared memory.
        const SHMEM = 1 << 5;
        /// Allocated.
        const ALLOCATED = 1 << 6;
        /// KSM page.
        const KSM = 1 << 7;
        /// The folio is dirty (`PG_dirty`).
        const DIRTY = 1 << 8;
        /// `PG_referenced`.
        const REFERENCED = 1 << 9;
        /// `PG_active`.
        const ACTIVE = 1 << 10;
        /// Goes to swap when reclaimed (`PG_swapbacked`); cleared by `MADV_FREE`.
        const SWAPBACKED = 1 << 11;
        /// `PG_locked`.
        const LOCKED = 1 << 12;
        /// `PG_mlocked`.
        const MLOCKED = 1 << 13;
        /// On a reclaim list.
        const LRU = 1 << 14;
        /// Has a place in swap (`PG_swapcache`).
        const SWAPCACHE = 1 << 15;
        /// Reclaim is to drop it once it is written back (`PG_reclaim`, which is `PG_readahead`).
        const RECLAIM = 1 << 16;
        /// Reclaim leaves it alone: it is locked in memory (`PG_unevictable`).
        const UNEVICTABLE = 1 << 17;
        /// Of each frame of a large folio: how often 2 MiB were halved to come to its size. See
        /// [`FrameFlags::folio_pages`].
        const HALVINGS = 0xf << HALVINGS_SHIFT;
    }
}

const HALVINGS_SHIFT: u32 = 18;

impl FrameFlags {
    /// What both kinds of frames of large folios have one of.
    pub const LARGE: Self = Self::LARGE_HEAD.union(Self::LARGE_TAIL);

    /// All that says which folio a frame is part of.
    pub const FOLIO: Self = Self::LARGE.union(Self::HALVINGS);

    /// The pages of a frame's folio (`folio_nr_pages()`): a power of two.
    #[inline]
    pub const fn folio_pages(self) -> u64 {
        if self.intersects(Self::LARGE) {
            HUGE_PAGES >> (self.intersection(Self::HALVINGS).bits() >> HALVINGS_SHIFT)
        } else {
            1
        }
    }

    /// Of a frame of a folio of so many pages: its size.
    pub(super) const fn halvings(pages: u64) -> Self {
        let halvings = HUGE_PAGES.ilog2() - pages.ilog2();
        Self::from_bits_retain(halvings << HALVINGS_SHIFT)
    }
}

const HOT: u32 = 0xff;
const COUNT_BITS: u32 = 28;
pub(super) const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
pub(super) const ONE_REF: u64 = 1;
pub(super) const ONE_MAP: u64 = 1 << COUNT_BITS;
const FLAGS_SHIFT: u32 = 2 * COUNT_BITS;

/// The first word of a frame: counts and hot flags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    #[inline]
    pub(super) const fn refs(self) -> u32 {
        (self.0 & COUNT_MASK) as u32
    }

    #[inline]
    pub(super) const fn maps(self) -> u32 {
        (self.0 >> COUNT_BITS & COUNT_MASK) as u32
    }

    #[inline]
    pub(super) const fn flags(self) -> FrameFlags {
        FrameFlags::from_bits_retain((self.0 >> FLAGS_SHIFT) as u32)
    }

    #[inline]
    pub(super) const fn of(refs: u32, maps: u32, flags: FrameFlags) -> Self {
        let flags = (flags.bits() & HOT) as u64;
        Self(refs as u64 | (maps as u64) << COUNT_BITS | flags << FLAGS_SHIFT)
    }

    #[inline]
    pub(super) const fn without(self, flags: FrameFlags) -> Self {
        Self(self.0 & !(((flags.bits() & HOT) as u64) << FLAGS_SHIFT))
    }
}

/// Metadata of a frame: reference count, map count, flags, content tag, owner.
///
/// Of a large folio the head has the reference count, every frame its own map count, and the
/// otherwise unused reference counts of the first tails, where there are enough, hold what is counted
/// of the folio as a whole (`sharers.rs`).
#[derive(Debug, Default)]
pub struct FrameMeta {
    state: AtomicU64,
    tag: AtomicU32,
    /// Cold flags (low half, `FrameFlags` >> 8) and owner (high half).
    cold: AtomicU32,
}

const _: () = assert!(size_of::<FrameMeta>() == 16);

/// A frame's metadata, read at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameInfo {
    /// References; of a tail frame, bookkeeping of its folio.
    pub refs: u32,
    /// PTEs that map this frame.
    pub maps: u32,
    /// Flags.
    pub flags: FrameFlags,
    /// What the page contains; the low byte is its first byte.
    pub tag: u32,
    /// A number for the user of this crate.
    pub owner: u16,
}

impl FrameMeta {
    #[inline]
    pub(super) fn state(&self) -> State {
        State(self.state.load(Acquire))
    }

    #[inline]
    pub(super) fn set_state(&self, state: State) {
        self.state.store(state.0, Release);
    }

    /// Adds to the first word (wrapping: negative amounts work) and returns what was there before.
    #[inline]
    pub(super) fn add(&self, amount: u64, concurrent: bool) -> State {
        if concurrent {
            return State(self.state.fetch_add(amount, AcqRel));
        }
        let old = self.state.load(Relaxed);
        self.state.store(old.wrapping_add(amount), Relaxed);
        State(old)
    }

    /// Replaces the first word by a function of it and returns what was there before.
    #[inline]
    pub(super) fn update(&self, concurrent: bool, mut f: impl FnMut(State) -> State) -> State {
        let mut old = self.state.load(Acquire);
        if !concurrent {
            self.state.store(f(State(old)).0, Relaxed);
            return State(old);
        }
        loop {
            let new = f(State(old)).0;
            match self.state.compare_exchange_weak(old, new, AcqRel, Acquire) {
                Ok(_) => return State(old),
                Err(now) => old = now,
            }
        }
    }

    /// Replaces the first word if it still is `old`. True if so.
    #[inline]
    pub(super) fn exchange(&self, old: State, new: State, concurrent: bool) -> bool {
        if !concurrent {
            self.state.store(new.0, Relaxed);
            return true;
        }
        let exchanged = self.state.compare_exchange(old.0, new.0, AcqRel, Acquire);
        exchanged.is_ok()
    }

    /// All flags.
    #[inline]
    pub fn flags(&self) -> FrameFlags {
        let cold = (self.cold.load(Relaxed) & 0xffff) << 8;
        self.state().flags() | FrameFlags::from_bits_retain(cold)
    }

    /// Are all of `flags` set?
    #[inline]
    pub fn has(&self, flags: FrameFlags) -> bool {
        self.flags().contains(flags)
    }

    /// Sets flags.
    #[inline]
    pub fn set_flags(&self, flags: FrameFlags) {
        self.change_flags(flags, FrameFlags::empty());
    }

    /// Clears flags.
    #[inline]
    pub fn clear_flags(&self, flags: FrameFlags) {
        self.change_flags(FrameFlags::empty(), flags);
    }

    fn change_flags(&self, set: FrameFlags, clear: FrameFlags) {
        let hot = |f: FrameFlags| u64::from(f.bits() & HOT) << FLAGS_SHIFT;
        let cold = |f: FrameFlags| f.bits() >> 8;
        if hot(set) != 0 {
            self.state.fetch_or(hot(set), AcqRel);
        }
        if hot(clear) != 0 {
            self.state.fetch_and(!hot(clear), AcqRel);
        }
        if cold(set) != 0 {
            self.cold.fetch_or(cold(set), AcqRel);
        }
        if cold(clear) != 0 {
            self.cold.fetch_and(!cold(clear), AcqRel);
        }
    }

    /// What the page contains; the low byte is its first byte.
    #[inline]
    pub fn tag(&self) -> u32 {
        self.tag.load(Relaxed)
    }

    /// Sets what the page contains.
    #[inline]
    pub fn set_tag(&self, tag: u32) {
        self.tag.store(tag, Relaxed);
    }

    /// The number that the user of this crate attached, e.g. a file.
    #[inline]
    pub fn owner(&self) -> u16 {
        (self.cold.load(Relaxed) >> 16) as u16
    }

    /// Attaches a number.
    #[inline]
    pub fn set_owner(&self, owner: u16) {
        let mut old = self.cold.load(Relaxed);
        let new = |old: u32| (old & 0xffff) | u32::from(owner) << 16;
        while let Err(now) = self
            .cold
            .compare_exchange_weak(old, new(old), AcqRel, Relaxed)
        {
            old = now;
        }
    }

    /// Has it the same counts and flags as another one?
    #[inline]
    pub fn is_like(&self, other: &Self) -> bool {
        let flags = |meta: &Self| meta.cold.load(Relaxed) & 0xffff;
        self.state().0 == other.state().0 && flags(self) == flags(other)
    }

    /// Everything at once.
    #[inline]
    pub fn info(&self) -> FrameInfo {
        let state = self.state();
        FrameInfo {
            refs: state.refs(),
            maps: state.maps(),
            flags: self.flags(),
            tag: self.tag(),
            owner: self.owner(),
        }
    }

    /// Makes it the metadata of a free frame, whose state is 0 already and whose tag is the free
    /// lists'.
    #[inline]
    pub(super) fn forget(&self) {
        self.cold.store(0, Relaxed);
    }

    /// Makes it the metadata of a frame just allocated.
    #[inline]
    pub(super) fn reset(&self, refs: u32, flags: FrameFlags) {
        self.tag.store(0, Relaxed);
        self.cold.store(flags.bits() >> 8 & 0xffff, Relaxed);
        self.set_state(State::of(refs, 0, flags));
    }
}
