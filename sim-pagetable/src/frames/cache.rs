//! Free frames kept at hand for each thread, so that threads that fault do not wait for each other
//! (`struct per_cpu_pages`). Only in use while several threads run.

use sim_sync::Sharded;
use sim_sync::{Mutex, MutexGuard, class};

use super::alloc::FreeLists;
use super::{Frames, NoMemory};
use crate::addr::HUGE_PAGES;

/// Frames that go to or come from the free lists at once: a block, so that the metadata of frames
/// that different threads use does not share cache lines.
const BATCH: usize = HUGE_PAGES as usize;

/// The numbers of frames that are taken from the free lists and not in use.
#[derive(Debug, Default)]
pub(super) struct Caches {
    frames: Sharded<Mutex<Vec<u64>, class::FrameCache>>,
}

impl Caches {
    /// Frames in all of them.
    pub(super) fn len(&self) -> u64 {
        let caches = self.frames.iter();
        caches.map(|cache| cache.lock().len() as u64).sum()
    }
}

impl Frames {
    /// A frame from the calling thread's cache.
    pub(super) fn take_cached(&self) -> Result<u64, NoMemory> {
        if !self.gate.allow() {
            return Err(NoMemory);
        }
        let mut cache = self.caches.frames.mine().lock();
        if cache.is_empty() {
            self.refill(&mut cache);
        }
        if let Some(number) = cache.pop() {
            return Ok(number);
        }
        drop(cache);
        // Other threads' caches may hold the last ones.
        self.drain_caches();
        let mut cache = self.caches.frames.mine().lock();
        self.refill(&mut cache);
        cache.pop().ok_or(NoMemory)
    }

    fn refill(&self, cache: &mut Vec<u64>) {
        let mut free = self.free.lock();
        if free.in_use + HUGE_PAGES <= self.ram
            && let Some(first) = free.take_block()
        {
            free.in_use += HUGE_PAGES;
            // The last one is used first.
            cache.extend((first..first + HUGE_PAGES).rev());
            return;
        }
        while cache.len() < BATCH && free.in_use < self.ram {
            let Some(number) = free.take_frame(|n| self.ensure_meta(n)) else {
                break;
            };
            free.in_use += 1;
            cache.push(number);
        }
    }

    /// Puts a frame into the calling thread's cache.
    pub(super) fn give_cached(&self, number: u64) {
        let mut cache = self.caches.frames.mine().lock();
        cache.push(number);
        if cache.len() > 2 * BATCH {
            let oldest = cache.drain(..BATCH);
            self.give_all(oldest);
        }
    }

    /// Gives all cached frames back to the free lists.
    pub(super) fn drain_caches(&self) {
        for cache in self.caches.frames.iter() {
            let frames = std::mem::take(&mut *cache.lock());
            if !frames.is_empty() {
                self.give_all(frames.into_iter());
            }
        }
    }

    fn give_all(&self, frames: impl Iterator<Item = u64>) {
        let mut free = self.free.lock();
        for number in frames {
            free.in_use -= 1;
            free.give_frame(number, self.ensure_meta(number));
        }
    }

    /// [`reserve`](Self::reserve), if need be after the caches were emptied.
    pub(super) fn reserve_after_drain(
        &self,
        pages: u64,
    ) -> Result<MutexGuard<'_, FreeLists, class::FreeFrames>, NoMemory> {
        if !self.gate.allow() {
            return Err(NoMemory);
        }
        match self.reserve_allowed(pages) {
            Err(NoMemory) if self.concurrent() => {
                self.drain_caches();
                self.reserve_allowed(pages)
            }
            result => result,
        }
    }
}
