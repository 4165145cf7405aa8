//! `brk`.

use sim_core::{Arch, Call, Layout, PAGE_SIZE, VirtAddr};

use super::{BATCH, Part, Work};
use crate::bench::{Round, Shape, Step};

/// The break goes up by a page and down again. Where a process has its heap elsewhere than the
/// simulator, its target translates.
pub(super) struct UpAndDown(pub(super) Part);

/// Pages of the heap at the least.
const HEAP: u64 = 16;

/// The break between rounds.
pub(in crate::bench) fn lower_break() -> VirtAddr {
    let heap = Layout::new(Arch::X86_64).heap;
    VirtAddr::new(heap.get() + HEAP * PAGE_SIZE)
}

fn brk(pages: u64) -> Step {
    Step::main(Call::Brk(VirtAddr::new(
        lower_break().get() + pages * PAGE_SIZE,
    )))
}

impl Work for UpAndDown {
    fn prepare(&mut self) -> Vec<Step> {
        let mut steps = self.0.arena.three_page_vmas(self.0.vmas);
        steps.push(brk(0));
        steps
    }

    fn round(&mut self, _shape: Shape) -> Round {
        Round::of((0..BATCH / 2).flat_map(|_| [brk(1), brk(0)]).collect())
    }
}
