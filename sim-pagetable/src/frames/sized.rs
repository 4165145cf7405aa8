//! Allocating folios of any size.

use super::{FrameFlags, Frames, NoMemory};
use crate::Pfn;
use crate::addr::HUGE_PAGES;

impl Frames {
    /// Allocates a folio of so many pages, a power of two, aligned to its size: one reference, no
    /// mapping, these flags, tags 0. Returns its head. A larger one than a page is the beginning of
    /// 2 MiB that were free.
    ///
    /// # Errors
    /// [`NoMemory`], also when only scattered frames are left.
    ///
    /// # Panics
    /// If it is to be larger than 2 MiB.
    pub fn alloc_folio(&self, pages: u64, flags: FrameFlags) -> Result<Pfn, NoMemory> {
        assert!(
            pages.is_power_of_two() && pages <= HUGE_PAGES,
            "no folio has {pages} pages"
        );
        if pages == 1 {
            self.alloc(flags)
        } else {
            self.alloc_large(pages, flags)
        }
    }

    /// Allocates a 2 MiB folio, aligned: one reference, no mapping, these flags, tags 0. Returns
    /// its head.
    ///
    /// # Errors
    /// [`NoMemory`], also when only scattered frames are left.
    pub fn alloc_huge(&self, flags: FrameFlags) -> Result<Pfn, NoMemory> {
        self.alloc_large(HUGE_PAGES, flags)
    }

    /// A folio of more than one page. What it leaves of a block is free.
    fn alloc_large(&self, pages: u64, flags: FrameFlags) -> Result<Pfn, NoMemory> {
        if self.concurrent() {
            // Frames in the caches may be all that their blocks miss.
            self.drain_caches();
        }
        let mut free = self.reserve(pages)?;
        let Some(number) = free.take_block() else {
            free.in_use -= pages;
            return Err(NoMemory);
        };
        let metas = self.ensure_block(number);
        for i in (pages..HUGE_PAGES).rev() {
            let meta = &metas[i as usize];
            meta.reset(0, FrameFlags::empty());
            free.give_frame(number + i, meta);
        }
        drop(free);
        let flags = flags | FrameFlags::ALLOCATED | FrameFlags::halvings(pages);
        let tail = FrameFlags::LARGE_TAIL | Self::common_to_tails(flags);
        for meta in &metas[..pages as usize] {
            meta.reset(0, tail);
        }
        metas[0].reset(1, flags | FrameFlags::LARGE_HEAD);
        Ok(Pfn::RAM_BASE.add(number))
    }
}
