//! `fork` and `fork_vmas`.

use sim_core::{Advice, Call, Pid};

use super::super::arena::RW;
use super::{Part, Work};
use crate::bench::{Round, Shape, Step};

/// A process with written pages forks; its child ends at once.
pub(super) struct WithPages(pub(super) Part);

impl Work for WithPages {
    fn prepare(&mut self) -> Vec<Step> {
        let (arena, pages) = (self.0.arena, self.0.pages);
        vec![
            arena.mmap(0, pages, RW),
            arena.madvise(0, pages, Advice::Nohugepage),
            arena.write(0, pages),
        ]
    }

    fn round(&mut self, _shape: Shape) -> Round {
        fork_of(self.0.pages)
    }
}

/// The same with VMAs that were never touched.
pub(super) struct WithVmas(pub(super) Part);

impl Work for WithVmas {
    fn prepare(&mut self) -> Vec<Step> {
        self.0.arena.three_page_vmas(self.0.vmas)
    }

    fn round(&mut self, _shape: Shape) -> Round {
        fork_of(self.0.vmas)
    }
}

fn fork_of(ops: u64) -> Round {
    let child = Pid(Pid::MAIN.0 + 1);
    let fork = Call::Fork {
        child,
        share: false,
    };
    Round {
        after: vec![Step::Call(child, Call::Exit)],
        ops,
        ..Round::of(vec![Step::main(fork)])
    }
}
