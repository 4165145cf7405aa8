//! Page states.

use sim_core::{PageRun, PageState, Snapshot, VirtAddr};

use super::{Comparison, Difference};

/// The first page whose state differs, however the runs are cut.
pub(super) fn pages(
    comparison: &Comparison,
    left: &Snapshot,
    right: &Snapshot,
) -> Option<Difference> {
    let seen = |state: Option<PageState>| state.map(|state| comparison.seen(state));
    let (mut left, mut right) = (Runs::new(&left.pages), Runs::new(&right.pages));
    loop {
        let at = match (left.start(), right.start()) {
            (None, None) => return None,
            (Some(at), None) | (None, Some(at)) => at,
            (Some(l), Some(r)) => l.min(r),
        };
        let (l, r) = (left.state_at(at), right.state_at(at));
        if seen(l) != seen(r) {
            return Some(Difference::Page {
                addr: at,
                left: l,
                right: r,
            });
        }
        let end = left.end_of_state(at).min(right.end_of_state(at));
        left.advance(end);
        right.advance(end);
    }
}

impl Comparison {
    /// A state as far as it is told from others.
    fn seen(&self, state: PageState) -> PageState {
        let mut state = match state {
            PageState::Poison | PageState::Migration if !self.entry_kinds => swap(false),
            PageState::Marker if !self.entry_kinds => swap(true),
            PageState::Present { .. }
            | PageState::Swap { .. }
            | PageState::Guard
            | PageState::Poison
            | PageState::Marker
            | PageState::Migration => state,
        };
        match &mut state {
            PageState::Present { soft_dirty, .. } | PageState::Swap { soft_dirty, .. } => {
                *soft_dirty &= self.soft_dirty;
            }
            PageState::Guard | PageState::Poison | PageState::Marker | PageState::Migration => {}
        }
        state
    }
}

const fn swap(uffd_wp: bool) -> PageState {
    PageState::Swap {
        uffd_wp,
        soft_dirty: false,
    }
}

/// A cursor in a list of runs.
struct Runs<'a> {
    rest: &'a [PageRun],
    at: VirtAddr,
}

impl<'a> Runs<'a> {
    const fn new(rest: &'a [PageRun]) -> Self {
        Self {
            rest,
            at: VirtAddr::ZERO,
        }
    }

    /// The first page not passed yet that has an entry.
    fn start(&self) -> Option<VirtAddr> {
        self.rest.first().map(|run| run.range.start().max(self.at))
    }

    fn state_at(&self, addr: VirtAddr) -> Option<PageState> {
        self.rest
            .first()
            .filter(|run| run.range.contains(addr))
            .map(|run| run.state)
    }

    /// Up to where the state at `addr` holds.
    fn end_of_state(&self, addr: VirtAddr) -> VirtAddr {
        match self.rest.first() {
            Some(run) if run.range.contains(addr) => run.range.end(),
            Some(run) => run.range.start(),
            None => VirtAddr::new(u64::MAX),
        }
    }

    fn advance(&mut self, to: VirtAddr) {
        self.at = to;
        while self.rest.first().is_some_and(|run| run.range.end() <= to) {
            self.rest = &self.rest[1..];
        }
    }
}
