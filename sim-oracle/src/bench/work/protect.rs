//! `mprotect_split_merge` and `merge_refused`.

use sim_core::Prot;

use super::super::arena::{RW, STRIDE};
use super::{Part, Work};
use crate::bench::{Round, Shape, Step};

/// The middle page of a VMA becomes read-only, and writable again.
pub(super) struct SplitMerge(pub(super) Part);

impl Work for SplitMerge {
    fn prepare(&mut self) -> Vec<Step> {
        self.0.arena.three_page_vmas(self.0.vmas)
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let part = &mut self.0;
        let both = |middle: u64, part: &Part| {
            [Prot::READ, RW].map(|prot| part.arena.mprotect(middle, 1, prot))
        };
        let steps = (0..part.batch / 2)
            .flat_map(|_| {
                let middle = part.any() * STRIDE + 1;
                both(middle, part)
            })
            .collect();
        Round::of(steps)
    }
}

/// The middle one of three adjacent VMAs changes its protection, to one that neither neighbour has.
pub(super) struct Refused {
    part: Part,
    /// Which groups are read-only in the middle now.
    read_only: Vec<bool>,
}

impl Refused {
    /// A group of three for each three VMAs.
    pub(super) fn new(mut part: Part) -> Self {
        part.vmas = part.vmas.div_ceil(3);
        let read_only = vec![false; part.vmas as usize];
        Self { part, read_only }
    }
}

impl Work for Refused {
    fn prepare(&mut self) -> Vec<Step> {
        let arena = self.part.arena;
        (0..self.part.vmas)
            .flat_map(|group| {
                let first = group * STRIDE;
                [
                    arena.mmap(first, 1, Prot::empty()),
                    arena.mmap(first + 1, 1, RW),
                    arena.mmap(first + 2, 1, Prot::READ | Prot::EXEC),
                ]
            })
            .collect()
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let steps = (0..self.part.batch)
            .map(|_| {
                let group = self.part.any();
                let read_only = &mut self.read_only[group as usize];
                *read_only = !*read_only;
                let prot = if *read_only { Prot::READ } else { RW };
                self.part.arena.mprotect(group * STRIDE + 1, 1, prot)
            })
            .collect();
        Round::of(steps)
    }
}
