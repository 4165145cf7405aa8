//! Physical memory: frames, their metadata, and the memory of page tables.

mod alloc;
pub(crate) mod arena;
mod cache;
mod folio;
mod invariants;
mod meta;
mod release;
mod sharers;
mod sized;
#[cfg(test)]
mod tests;

use sim_sync::prim::atomic::{AtomicBool, Ordering::Relaxed};
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};

use sim_sync::{Mutex, MutexGuard, class};
use thiserror::Error;

use self::alloc::FreeLists;
use self::arena::Arena;
pub(crate) use self::arena::{Entries, Table, TableLock};
use self::cache::Caches;
pub use self::invariants::FramesInvariant;
pub use self::meta::{FrameFlags, FrameInfo, FrameMeta};
pub use self::release::Release;
use self::sharers::Counting;
pub use self::sharers::Sharer;
use crate::Pfn;
use crate::addr::HUGE_PAGES;

/// Decides whether a simulated kernel allocation may succeed (fault injection). Asked once for
/// every frame, folio and page table, in a deterministic order.
pub trait AllocGate: Send + Sync {
    /// May it succeed?
    fn allow(&self) -> bool;
}

/// The gate that lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl AllocGate for AllowAll {
    fn allow(&self) -> bool {
        true
    }
}

/// An allocation failed: RAM is used up (or fragmented), or the gate refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("out of simulated memory")]
pub struct NoMemory;

const CHUNK: u64 = 4096;

/// Metadata of 16 MiB of frames.
type Chunk = [FrameMeta; CHUNK as usize];

fn new_chunk() -> Box<Chunk> {
    let metas: Box<[FrameMeta]> = (0..CHUNK).map(|_| FrameMeta::default()).collect();
    metas.try_into().expect("the length of a chunk")
}

/// Physical memory. See the crate's documentation and [`Pfn`] for the layout.
pub struct Frames {
    chunks: Box<[OnceLock<Box<Chunk>>]>,
    permanent: Box<[FrameMeta]>,
    free: Mutex<FreeLists, class::FreeFrames>,
    caches: Caches,
    counting: Counting,
    arena: Arena,
    ram: u64,
    concurrent: AtomicBool,
    gate: Arc<dyn AllocGate>,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("ram", &self.ram)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl Frames {
    /// The most frames there can be: 16 TiB, up to [`Pfn::DEVICE_BASE`].
    pub const MOST: u64 = Pfn::DEVICE_BASE.get() - Pfn::RAM_BASE.get();

    /// Memory of `ram_pages` frames, or of [`Self::MOST`]. Nothing is paid for a frame before its
    /// 16 MiB neighbourhood is first used.
    pub fn new(ram_pages: u64, gate: Arc<dyn AllocGate>) -> Self {
        let ram_pages = ram_pages.min(Self::MOST);
        let chunks = ram_pages.next_multiple_of(HUGE_PAGES).div_ceil(CHUNK);
        Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
            permanent: (0..Pfn::RAM_BASE.get()).map(Self::permanent_meta).collect(),
            free: Mutex::new(FreeLists::new(ram_pages)),
            caches: Caches::default(),
            counting: Counting::default(),
            arena: Arena::new(),
            ram: ram_pages,
            concurrent: AtomicBool::new(true),
            gate,
        }
    }

    fn permanent_meta(number: u64) -> FrameMeta {
        let pfn = Pfn::new(number);
        let part = match pfn.cmp(&Pfn::HUGE_ZERO_PAGE) {
            Ordering::Less => FrameFlags::empty(),
            Ordering::Equal => FrameFlags::LARGE_HEAD,
            Ordering::Greater => FrameFlags::LARGE_TAIL,
        };
        let meta = FrameMeta::default();
        meta.reset(1, part | FrameFlags::ALLOCATED);
        meta
    }

    /// Says whether several threads use this memory (true at first). If not, page-table locks
    /// are not taken and counts change without atomic read-modify-write, which is several times
    /// faster. Only change it while one thread runs.
    pub fn set_concurrent(&self, concurrent: bool) {
        self.concurrent.store(concurrent, Relaxed);
        if !concurrent {
            self.drain_caches();
        }
    }

    /// May several threads use this memory?
    #[inline]
    pub fn concurrent(&self) -> bool {
        self.concurrent.load(Relaxed)
    }

    /// Frames of RAM.
    pub const fn ram(&self) -> u64 {
        self.ram
    }

    /// Frames in use, page tables included.
    pub fn used(&self) -> u64 {
        let cached = self.caches.len();
        // Between the two, other threads may have given frames back.
        self.free.lock().in_use.saturating_sub(cached)
    }

    /// Page tables in use, over all address spaces.
    pub fn tables_used(&self) -> u64 {
        self.arena.used()
    }

    /// The metadata of a frame of RAM or of a zero page.
    ///
    /// # Panics
    /// If the frame has none ([`Pfn::has_meta`]) or was never allocated.
    #[inline]
    pub fn meta(&self, pfn: Pfn) -> &FrameMeta {
        match pfn.get().checked_sub(Pfn::RAM_BASE.get()) {
            Some(number) => self.ram_meta(number),
            None => &self.permanent[pfn.get() as usize],
        }
    }

    /// The metadata of `count` frames of RAM from `first` on, which are in one aligned 2 MiB.
    ///
    /// # Panics
    /// If they are not, or none of their neighbourhood was ever allocated.
    #[inline]
    pub fn metas(&self, first: Pfn, count: u64) -> &[FrameMeta] {
        let number = first.get() - Pfn::RAM_BASE.get();
        let chunk = self.chunks[(number / CHUNK) as usize].get();
        let at = (number % CHUNK) as usize;
        &chunk.expect("frames were never allocated")[at..at + count as usize]
    }

    #[inline]
    fn ram_meta(&self, number: u64) -> &FrameMeta {
        let chunk = &self.chunks[(number / CHUNK) as usize];
        let chunk = chunk.get().expect("frame was never allocated");
        &chunk[(number % CHUNK) as usize]
    }

    #[inline]
    fn ensure_meta(&self, number: u64) -> &FrameMeta {
        let chunk = &self.chunks[(number / CHUNK) as usize];
        let chunk = chunk.get_or_init(new_chunk);
        &chunk[(number % CHUNK) as usize]
    }

    /// The metadata of 512 aligned frames, whose neighbourhood is paid for if it was not yet.
    fn ensure_block(&self, number: u64) -> &[FrameMeta] {
        self.ensure_meta(number);
        self.metas(Pfn::RAM_BASE.add(number), HUGE_PAGES)
    }

    /// Asks the gate, then takes `pages` out of what is left of RAM; the lock is held on success.
    fn reserve(
        &self,
        pages: u64,
    ) -> Result<MutexGuard<'_, FreeLists, class::FreeFrames>, NoMemory> {
        if !self.gate.allow() {
            return Err(NoMemory);
        }
        self.reserve_allowed(pages)
    }

    /// The same where the gate was asked.
    fn reserve_allowed(
        &self,
        pages: u64,
    ) -> Result<MutexGuard<'_, FreeLists, class::FreeFrames>, NoMemory> {
        let mut free = self.free.lock();
        if free.in_use + pages > self.ram {
            return Err(NoMemory);
        }
        free.in_use += pages;
        Ok(free)
    }

    /// Allocates a frame: one reference, no mapping, these flags, tag 0.
    ///
    /// # Errors
    /// [`NoMemory`].
    #[inline]
    pub fn alloc(&self, flags: FrameFlags) -> Result<Pfn, NoMemory> {
        let number = if self.concurrent() {
            self.take_cached()?
        } else {
            self.take_frame()?
        };
        self.ensure_meta(number)
            .reset(1, flags | FrameFlags::ALLOCATED);
        Ok(Pfn::RAM_BASE.add(number))
    }

    fn take_frame(&self) -> Result<u64, NoMemory> {
        let mut free = self.reserve(1)?;
        let taken = free.take_frame(|n| self.ensure_meta(n));
        taken.ok_or_else(|| {
            free.in_use -= 1;
            NoMemory
        })
    }

    /// Frees the folio with this head, whose last reference is gone.
    fn free(&self, head: Pfn) {
        let number = head.get() - Pfn::RAM_BASE.get();
        let meta = self.ram_meta(number);
        let pages = meta.flags().folio_pages();
        self.forget_counts(head, pages);
        for i in 0..pages {
            self.ram_meta(number + i).reset(0, FrameFlags::empty());
        }
        if pages == 1 && self.concurrent() {
            self.give_cached(number);
            return;
        }
        let mut free = self.free.lock();
        free.in_use -= pages;
        if pages == HUGE_PAGES {
            free.give_block(number);
            return;
        }
        for number in number..number + pages {
            free.give_frame(number, self.ram_meta(number));
        }
    }

    /// The flags of a head that its tails have too.
    fn common_to_tails(flags: FrameFlags) -> FrameFlags {
        flags & (FrameFlags::ANON | FrameFlags::ALLOCATED | FrameFlags::HALVINGS)
    }

    /// Frees many frames under one lock; see [`Release`].
    pub fn release(&self) -> Release<'_> {
        Release::new(self)
    }

    #[inline]
    pub(crate) fn table(&self, id: u32) -> Table<'_> {
        self.arena.table(id)
    }

    pub(crate) const fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn alloc_table(&self, space: u32) -> Result<Table<'_>, NoMemory> {
        drop(self.reserve_after_drain(1)?);
        self.arena
            .alloc(space)
            .inspect_err(|NoMemory| self.free.lock().in_use -= 1)
    }

    pub(crate) fn free_table(&self, table: Table<'_>) {
        self.arena.free(table);
        self.free.lock().in_use -= 1;
    }
}
