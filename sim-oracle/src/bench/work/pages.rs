//! `fault` and `collapse`.

use sim_core::{Advice, PMD_PAGES};

use super::super::arena::RW;
use super::{BATCH, Part, Work};
use crate::bench::{Round, Shape};

/// Every page of a new mapping is written, in one access of the whole or one for each page.
pub(super) struct FirstWrite(pub(super) Part);

impl Work for FirstWrite {
    fn round(&mut self, shape: Shape) -> Round {
        let (arena, pages) = (self.0.arena, self.0.pages);
        let steps: Vec<_> = match shape {
            Shape::Bulk => vec![arena.write(0, pages)],
            Shape::Single => (0..pages.min(4 * BATCH))
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

/// A table of written pages becomes a huge page.
pub(super) struct Collapse(pub(super) Part);

impl Work for Collapse {
    fn round(&mut self, _shape: Shape) -> Round {
        let arena = self.0.arena;
        Round {
            before: vec![
                arena.mmap(0, PMD_PAGES, RW),
                arena.madvise(0, PMD_PAGES, Advice::Nohugepage),
                arena.write(0, PMD_PAGES),
                arena.madvise(0, PMD_PAGES, Advice::Hugepage),
            ],
            after: vec![arena.munmap(0, PMD_PAGES)],
            ..Round::of(vec![arena.madvise(0, PMD_PAGES, Advice::Collapse)])
        }
    }
}
