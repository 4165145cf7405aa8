//! `guard_install`.

use sim_core::Advice;

use super::super::arena::STRIDE;
use super::{Part, Work};
use crate::bench::{Round, Shape, Step};

/// The middle pages of random VMAs become guards, and are removed between rounds.
pub(super) struct Install(pub(super) Part);

impl Work for Install {
    fn prepare(&mut self) -> Vec<Step> {
        self.0.arena.three_page_vmas(self.0.vmas)
    }

    fn round(&mut self, _shape: Shape) -> Round {
        let arena = self.0.arena;
        let chosen = self.0.some(self.0.vmas, self.0.batch);
        let advise = |advice| {
            let each = chosen.iter();
            each.map(move |i| arena.madvise(i * STRIDE + 1, 1, advice))
                .collect()
        };
        Round {
            after: advise(Advice::GuardRemove),
            ..Round::of(advise(Advice::GuardInstall))
        }
    }
}
