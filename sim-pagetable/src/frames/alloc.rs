//! Which frames are free: blocks of 512 frames, O(1) for one frame and for a whole block.
//!
//! A block is whole and free, or partly used with a list of its free frames, or full. Free frames
//! of a block are linked through their tags. The order is deterministic: the lowest block never
//! used, the block freed last, the frame freed last.

use super::FrameMeta;
use crate::addr::HUGE_PAGES;

const NO_BLOCK: u32 = u32::MAX;
const NO_FRAME: u16 = u16::MAX;
const BLOCK: u16 = HUGE_PAGES as u16;

/// Allocation state of 512 aligned frames.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Links of the list of partly used blocks, or (`next`) of whole free blocks.
    prev: u32,
    next: u32,
    /// First free frame of those that were used before.
    head: u16,
    /// Frames at and above were never used since the block was last whole.
    fresh: u16,
    /// Frames in use.
    used: u16,
}

/// The free lists. Frames are numbered from the start of RAM.
#[derive(Debug)]
pub(super) struct FreeLists {
    /// Frames in use, those of page tables (which are not in these lists) included.
    pub(super) in_use: u64,
    blocks: Vec<Block>,
    block_limit: u32,
    partial: u32,
    whole: u32,
}

impl FreeLists {
    pub(super) fn new(frames: u64) -> Self {
        Self {
            in_use: 0,
            blocks: Vec::new(),
            block_limit: u32::try_from(frames.div_ceil(HUGE_PAGES)).expect("RAM too large"),
            partial: NO_BLOCK,
            whole: NO_BLOCK,
        }
    }

    /// Takes a whole block; the result is its first frame.
    pub(super) fn take_block(&mut self) -> Option<u64> {
        let block = self.pop_whole()?;
        self.blocks[block as usize].used = BLOCK;
        self.blocks[block as usize].fresh = BLOCK;
        Some(u64::from(block) * HUGE_PAGES)
    }

    /// Takes one frame; `meta` gives the metadata of a frame.
    #[inline]
    pub(super) fn take_frame<'m>(&mut self, meta: impl Fn(u64) -> &'m FrameMeta) -> Option<u64> {
        if self.partial == NO_BLOCK {
            let block = self.pop_whole()?;
            self.push_partial(block);
        }
        let index = self.partial;
        let base = u64::from(index) * HUGE_PAGES;
        let block = &mut self.blocks[index as usize];
        let frame = if block.head == NO_FRAME {
            block.fresh += 1;
            block.fresh - 1
        } else {
            let frame = block.head;
            block.head = meta(base + u64::from(frame)).tag() as u16;
            frame
        };
        block.used += 1;
        if block.used == BLOCK {
            self.unlink_partial(index);
        }
        Some(base + u64::from(frame))
    }

    /// Gives one frame back.
    #[inline]
    pub(super) fn give_frame(&mut self, frame: u64, meta: &FrameMeta) {
        let index = (frame / HUGE_PAGES) as u32;
        let block = &mut self.blocks[index as usize];
        let was_full = block.used == BLOCK;
        meta.set_tag(u32::from(block.head));
        block.head = (frame % HUGE_PAGES) as u16;
        block.used -= 1;
        if block.used == 0 {
            if !was_full {
                self.unlink_partial(index);
            }
            self.push_whole(index);
        } else if was_full {
            self.push_partial(index);
        }
    }

    /// Gives a whole block back.
    pub(super) fn give_block(&mut self, frame: u64) {
        self.push_whole((frame / HUGE_PAGES) as u32);
    }

    fn pop_whole(&mut self) -> Option<u32> {
        if self.whole != NO_BLOCK {
            let index = self.whole;
            self.whole = self.blocks[index as usize].next;
            return Some(index);
        }
        let index = self.blocks.len() as u32;
        (index < self.block_limit).then(|| {
            self.blocks.push(Block {
                prev: NO_BLOCK,
                next: NO_BLOCK,
                head: NO_FRAME,
                fresh: 0,
                used: 0,
            });
            index
        })
    }

    fn push_whole(&mut self, index: u32) {
        self.blocks[index as usize] = Block {
            prev: NO_BLOCK,
            next: self.whole,
            head: NO_FRAME,
            fresh: 0,
            used: 0,
        };
        self.whole = index;
    }

    fn push_partial(&mut self, index: u32) {
        let next = self.partial;
        if next != NO_BLOCK {
            self.blocks[next as usize].prev = index;
        }
        let block = &mut self.blocks[index as usize];
        block.prev = NO_BLOCK;
        block.next = next;
        self.partial = index;
    }

    fn unlink_partial(&mut self, index: u32) {
        let Block { prev, next, .. } = self.blocks[index as usize];
        if prev == NO_BLOCK {
            self.partial = next;
        } else {
            self.blocks[prev as usize].next = next;
        }
        if next != NO_BLOCK {
            self.blocks[next as usize].prev = prev;
        }
    }

    /// Frames in use, counted block by block.
    pub(super) fn count_used(&self) -> u64 {
        self.blocks.iter().map(|b| u64::from(b.used)).sum()
    }

    /// Frames that were ever in use.
    pub(super) fn touched(&self) -> u64 {
        self.blocks.len() as u64 * HUGE_PAGES
    }
}
