//! Freeing the pages of a whole table: one lock, and one look at each frame.

use sim_sync::prim::MutexGuard;

use super::alloc::FreeLists;
use super::meta::State;
use super::{FrameFlags, Frames};
use crate::Pfn;

/// Frees frames one after the other; the lists of free frames are locked meanwhile, so that no other
/// method that allocates or frees may be called.
pub struct Release<'f> {
    frames: &'f Frames,
    free: MutexGuard<'f, FreeLists>,
}

impl<'f> Release<'f> {
    pub(super) fn new(frames: &'f Frames) -> Self {
        Self {
            frames,
            free: frames.free.lock(),
        }
    }

    /// Takes away the only mapping of a frame together with the only reference, which frees it: what
    /// [`Frames::unmap_page`] and [`Frames::put`] do. Returns what it contained. `None`, and nothing
    /// is done, if it has more of either or belongs to a large folio.
    pub fn unmap_last(&mut self, pfn: Pfn) -> Option<u32> {
        const COUNTED: FrameFlags = FrameFlags::HUGE_HEAD.union(FrameFlags::HUGE_TAIL);
        if pfn.is_zero_page() {
            return None;
        }
        let meta = self.frames.meta(pfn);
        let state = meta.state();
        let only = state.refs() == 1 && state.maps() == 1 && !state.flags().intersects(COUNTED);
        if !only || !meta.exchange(state, State(0), self.frames.concurrent()) {
            return None;
        }
        let tag = meta.tag();
        meta.reset(0, FrameFlags::empty());
        self.free.in_use -= 1;
        self.free.give_frame(pfn.get() - Pfn::RAM_BASE.get(), meta);
        Some(tag)
    }
}
