//! `fault` and `collapse`.

use sim_core::{Advice, PMD_PAGES};

use super::super::arena::RW;
use super::{Part, Work};
use crate::bench::{Round, Shape};

/// Every page of a new mapping is written, in one access of the whole or one for each page.
pub(super) struct FirstWrite(pub(super) Part);

impl Work for FirstWrite {
    fn round(&mut self, shape: Shape) -> Round {
        let (arena, pages) = (self.0.arena, self.0.pages);
        let steps: Vec<_> = match shape {
            Shape::Bulk => vec![arena.write(0, pages)],
            Shape::Single => (0..pages.min(4 * self.0.batch))
                .map(|page| arena.write(page, 1))
                .collect(),
        };
        let ops = match shape {
            Shape::Bulk => pages,
            Shape::Single => steps.len() as u64,
        };
        Round {
            before: vec![
                arena.mmap(0, pages, RW),
                arena.madvise(0, pages, Advice::Nohugepage),
            ],
            after: vec![arena.munmap(0, pages)],
            ops,
            ..Round::of(steps)
        }
    }
}

/// Blocks that a round collapses, so that reading the clock does not count.
const BLOCKS: u64 = 8;

/// Tables of written pages become huge pages.
pub(super) struct Collapse(pub(super) Part);

impl Work for Collapse {
    fn round(&mut self, _shape: Shape) -> Round {
        let (arena, pages) = (self.0.arena, BLOCKS * PMD_PAGES);
        let collapse = (0..BLOCKS)
            .map(|block| arena.madvise(block * PMD_PAGES, PMD_PAGES, Advice::Collapse))
            .collect();
        Round {
            before: vec![
                arena.mmap(0, pages, RW),
                arena.madvise(0, pages, Advice::Nohugepage),
                arena.write(0, pages),
                arena.madvise(0, pages, Advice::Hugepage),
            ],
            after: vec![arena.munmap(0, pages)],
            ..Round::of(collapse)
        }
    }
}
