//! What must always hold of the frames, from the definitions.

use thiserror::Error;

use super::{FrameFlags, FrameInfo, Frames};
use crate::Pfn;

/// A broken invariant of [`Frames`].
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FramesInvariant {
    /// The count of used frames is not what counting gives.
    #[error("{counted} frames and tables are in use, the counter says {counter}")]
    UsedCount {
        /// What counting gives.
        counted: u64,
        /// What the counter says.
        counter: u64,
    },
    /// The free lists and the metadata disagree about how many frames are allocated.
    #[error("{listed} frames are taken from the free lists, {flagged} are marked allocated")]
    FreeLists {
        /// Frames taken from the lists.
        listed: u64,
        /// Frames marked.
        flagged: u64,
    },
    /// A free frame is referenced or mapped.
    #[error("free frame {0:?} has counts {1:?}")]
    FreeInUse(Pfn, FrameInfo),
    /// An allocated folio has no reference, or fewer than mappings.
    #[error("{0:?} has fewer references than mappings: {1:?}")]
    Unreferenced(Pfn, FrameInfo),
    /// The folio's sum of PTE mappings is wrong.
    #[error("folio {head:?}: the frames are mapped {counted} times, the sum says {sum}")]
    TotalMaps {
        /// Its head.
        head: Pfn,
        /// Sum over the frames.
        counted: u32,
        /// The sum kept.
        sum: u32,
    },
    /// A head without its tails, or a tail without a head.
    #[error("{0:?} is not part of a whole folio")]
    TornFolio(Pfn),
}

impl Frames {
    /// Every allocated frame of RAM with its metadata, tails included.
    pub fn allocated(&self) -> impl Iterator<Item = (Pfn, FrameInfo)> {
        self.known()
            .filter(|(_, info)| info.flags.contains(FrameFlags::ALLOCATED))
    }

    fn known(&self) -> impl Iterator<Item = (Pfn, FrameInfo)> {
        let touched = self.free.lock().touched();
        (0..touched)
            .filter(|number| {
                self.chunks[(number / super::CHUNK) as usize]
                    .get()
                    .is_some()
            })
            .map(|number| (Pfn::RAM_BASE.add(number), self.ram_meta(number).info()))
    }

    /// Frames of RAM that are free but were in use, or lie near one that was.
    fn idle(&self) -> impl Iterator<Item = (Pfn, FrameInfo)> {
        self.known()
            .filter(|(_, info)| !info.flags.contains(FrameFlags::ALLOCATED))
    }

    /// Checks what must always hold of frames alone.
    ///
    /// # Errors
    /// The first broken invariant.
    pub fn check_invariants(&self) -> Result<(), FramesInvariant> {
        let flagged = self.allocated().count() as u64;
        let cached = self.caches.len();
        let listed = self.free.lock().count_used() - cached;
        if flagged != listed {
            return Err(FramesInvariant::FreeLists { listed, flagged });
        }
        let (counted, counter) = (flagged + self.tables_used(), self.used());
        if counted != counter {
            return Err(FramesInvariant::UsedCount { counted, counter });
        }
        let in_use = |info: &FrameInfo| info.refs != 0 || info.maps != 0 || !info.flags.is_empty();
        if let Some((pfn, info)) = self.idle().find(|(_, info)| in_use(info)) {
            return Err(FramesInvariant::FreeInUse(pfn, info));
        }
        self.allocated()
            .try_for_each(|(pfn, info)| self.check_frame(pfn, info))
    }

    fn check_frame(&self, pfn: Pfn, info: FrameInfo) -> Result<(), FramesInvariant> {
        let flags_of = |pfn| self.meta(pfn).flags();
        if info.flags.contains(FrameFlags::LARGE_TAIL) {
            let head = self.head(pfn);
            let size = FrameFlags::folio_pages;
            let torn = pfn == head
                || !flags_of(head).contains(FrameFlags::LARGE_HEAD)
                || size(flags_of(head)) != size(info.flags);
            return if torn {
                Err(FramesInvariant::TornFolio(pfn))
            } else {
                Ok(())
            };
        }
        let mut maps = info.maps;
        if info.flags.contains(FrameFlags::LARGE_HEAD) {
            for i in 1..info.flags.folio_pages() {
                let tail = self.meta(pfn.add(i)).info();
                if !tail.flags.contains(FrameFlags::LARGE_TAIL) {
                    return Err(FramesInvariant::TornFolio(pfn));
                }
                maps += tail.maps;
            }
            let sum = self.folio_mapcount(pfn) - self.entire_mapcount(pfn);
            if sum != maps {
                return Err(FramesInvariant::TotalMaps {
                    head: pfn,
                    counted: maps,
                    sum,
                });
            }
            maps += self.entire_mapcount(pfn);
        }
        if info.refs == 0 || info.refs < maps {
            return Err(FramesInvariant::Unreferenced(pfn, info));
        }
        Ok(())
    }
}
