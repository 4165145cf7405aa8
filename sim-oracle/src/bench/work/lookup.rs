//! `lookup`.

use super::super::arena::STRIDE;
use super::{Part, Work};
use crate::bench::{Round, Shape, Step, Timed};
use rand::Rng as _;

/// Random pages of random VMAs.
pub(super) struct Lookup(pub(super) Part);

impl Work for Lookup {
    fn prepare(&mut self) -> Vec<Step> {
        self.0.arena.three_page_vmas(self.0.vmas)
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let part = &mut self.0;
        let addresses: Vec<_> = (0..4 * part.batch)
            .map(|_| {
                let page = part.any() * STRIDE + part.random.random_range(0..3);
                part.arena.address(page)
            })
            .collect();
        Round {
            ops: addresses.len() as u64,
            timed: Timed::Lookups(addresses),
            ..Round::of(Vec::new())
        }
    }
}
