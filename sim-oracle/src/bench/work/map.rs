//! `append_merge`, `hole_fill`, `link` and `unmap`.

use super::super::arena::{RW, STRIDE};
use super::{Part, Work};
use crate::bench::{Round, Shape, Step};

/// A VMA grows by a page at a time.
pub(super) struct Append(pub(super) Part);

impl Append {
    /// The growing VMA's first page, far from the others.
    fn first(&self) -> u64 {
        self.0.vmas * STRIDE + 512
    }
}

impl Work for Append {
    fn prepare(&mut self) -> Vec<Step> {
        let mut steps = self.0.arena.three_page_vmas(self.0.vmas);
        steps.push(self.0.arena.mmap(self.first(), 1, RW));
        steps
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let (arena, next) = (self.0.arena, self.first() + 1);
        let batch = self.0.batch;
        let steps = (0..batch).map(|i| arena.mmap(next + i, 1, RW)).collect();
        Round {
            after: vec![arena.munmap(next, batch)],
            ..Round::of(steps)
        }
    }
}

/// Holes between one-page VMAs are filled: both neighbours merge.
pub(super) struct HoleFill(pub(super) Part);

impl Work for HoleFill {
    fn prepare(&mut self) -> Vec<Step> {
        let arena = self.0.arena;
        // One hole has a VMA on each side at least.
        (0..self.0.vmas.max(2))
            .map(|i| arena.mmap(i * 2, 1, RW))
            .collect()
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let arena = self.0.arena;
        let holes = self.0.some(self.0.vmas.max(2) - 1, self.0.batch);
        let fill = holes.iter().map(|i| arena.mmap(i * 2 + 1, 1, RW));
        Round {
            after: holes.iter().map(|i| arena.munmap(i * 2 + 1, 1)).collect(),
            ..Round::of(fill.collect())
        }
    }
}

/// VMAs with gaps between them, from the lowest to the highest.
pub(super) struct Link(pub(super) Part);

impl Work for Link {
    fn round(&mut self, _shape: Shape) -> Round {
        let (arena, vmas) = (self.0.arena, self.0.vmas);
        let steps = (0..vmas).map(|i| arena.mmap(i * 2, 1, RW)).collect();
        Round {
            after: vec![arena.munmap(0, vmas * 2)],
            ..Round::of(steps)
        }
    }
}

/// The middle pages of VMAs go, and come back between rounds.
pub(super) struct Unmap(pub(super) Part);

/// VMAs that are in two pieces at a time: the kernel's limit on VMAs leaves no room for many.
pub(in crate::bench) const MOST_UNMAPPED: u64 = 256;

impl Work for Unmap {
    fn prepare(&mut self) -> Vec<Step> {
        self.0.arena.three_page_vmas(self.0.vmas)
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let arena = self.0.arena;
        let chosen = self.0.some(self.0.vmas, MOST_UNMAPPED);
        let middle = |i: &u64| i * STRIDE + 1;
        let unmap = chosen.iter().map(|i| arena.munmap(middle(i), 1)).collect();
        Round {
            after: chosen
                .iter()
                .map(|i| arena.mmap(middle(i), 1, RW))
                .collect(),
            ..Round::of(unmap)
        }
    }
}
