//! Freeing the pages of a whole table: one lock, and one look at each frame.

use sim_sync::{MutexGuard, class};

use super::alloc::FreeLists;
use super::meta::State;
use super::{FrameFlags, FrameMeta, Frames};
use crate::Pfn;
use crate::addr::HUGE_PAGES;

/// Frees frames one after the other; the lists of free frames are locked meanwhile, so that no other
/// method that allocates or frees may be called.
pub struct Release<'f> {
    frames: &'f Frames,
    free: MutexGuard<'f, FreeLists, class::FreeFrames>,
    concurrent: bool,
}

impl<'f> Release<'f> {
    pub(super) fn new(frames: &'f Frames) -> Self {
        Self {
            frames,
            free: frames.free.lock(),
            concurrent: frames.concurrent(),
        }
    }

    /// Takes away the only mapping of frames together with their only reference, which frees them:
    /// what [`Frames::unmap_page`] and [`Frames::put`] do. The frames follow each other from `first`
    /// on, as many as there are in `to`, to which their contents go. Ends at the first one that has
    /// more of either or belongs to a large folio; returns how many came before.
    pub fn move_last(&mut self, first: Pfn, to: &[FrameMeta]) -> u64 {
        if first.is_zero_page() {
            return 0;
        }
        let from = self.frames.metas(first, to.len() as u64);
        let moved = from
            .iter()
            .zip(to)
            .take_while(|(old, new)| self.move_one(old, new))
            .count();
        self.give(first.get() - Pfn::RAM_BASE.get(), &from[..moved]);
        moved as u64
    }

    #[inline]
    fn move_one(&self, old: &FrameMeta, new: &FrameMeta) -> bool {
        let state = old.state();
        let only =
            state.refs() == 1 && state.maps() == 1 && !state.flags().intersects(FrameFlags::LARGE);
        if !only || !old.exchange(state, State(0), self.concurrent) {
            return false;
        }
        new.set_tag(old.tag());
        old.forget();
        true
    }

    fn give(&mut self, number: u64, metas: &[FrameMeta]) {
        self.free.in_use -= metas.len() as u64;
        if metas.len() as u64 == HUGE_PAGES {
            self.free.give_block(number);
            return;
        }
        for (meta, number) in metas.iter().zip(number..) {
            self.free.give_frame(number, meta);
        }
    }
}
