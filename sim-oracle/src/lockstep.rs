//! Two back ends that run the same calls, compared after each.
//!
//! [`Lockstep`] is itself a [`Backend`]: whoever can drive one back end (the scenario runner, replay,
//! the fuzzer) can drive two that way. Its outcomes and snapshots are those of the left one.

use sim_core::{Backend, BackendError, Call, Outcome, Pid, Snapshot, SnapshotLevel};

use crate::compare::{Comparison, Difference, side_by_side};

/// The first difference that a lockstep run found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The number of the call, from 0.
    pub index: usize,
    /// The process that made it.
    pub pid: Pid,
    /// The call.
    pub call: Call,
    /// The process in whose state it shows.
    pub seen_in: Pid,
    /// What differs.
    pub difference: Difference,
    /// The outcome on the left.
    pub left_outcome: Outcome,
    /// The outcome on the right.
    pub right_outcome: Outcome,
    /// The left state, if snapshots were compared.
    pub left: Option<Snapshot>,
    /// The right state.
    pub right: Option<Snapshot>,
}

impl Divergence {
    /// What differs, in a line, then both states side by side.
    pub fn render(&self, names: (&str, &str)) -> String {
        let states = self.states(names).unwrap_or_default();
        format!(
            "step {}: {} in process {}: {}\n{states}",
            self.index,
            self.call.op(),
            self.pid,
            self.summary()
        )
    }

    /// What differs, and in which process if that is another one.
    pub fn summary(&self) -> String {
        if self.seen_in == self.pid {
            self.difference.to_string()
        } else {
            format!("{} (seen in process {})", self.difference, self.seen_in)
        }
    }

    /// Both states side by side, if they were compared.
    pub fn states(&self, names: (&str, &str)) -> Option<String> {
        let (left, right) = (self.left.as_ref()?, self.right.as_ref()?);
        Some(side_by_side(names, left, right))
    }
}

/// Why a lockstep run ended before its last call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// The left back end.
    Left,
    /// The right back end.
    Right,
}

/// Two back ends as one.
pub struct Lockstep<'a> {
    left: &'a mut dyn Backend,
    right: &'a mut dyn Backend,
    comparison: Comparison,
    calls: usize,
    every: usize,
    last: Option<(Pid, Call, (Outcome, Outcome))>,
    divergence: Option<Box<Divergence>>,
    failed: Option<Side>,
}

impl<'a> Lockstep<'a> {
    /// Starts with two back ends in the same state.
    pub fn new(
        left: &'a mut dyn Backend,
        right: &'a mut dyn Backend,
        comparison: Comparison,
    ) -> Self {
        Self {
            left,
            right,
            comparison,
            calls: 0,
            every: 1,
            last: None,
            divergence: None,
            failed: None,
        }
    }

    /// Compares states only after every so many calls, and at [`finish`](Self::finish).
    #[must_use]
    pub const fn comparing_every(mut self, calls: usize) -> Self {
        self.every = calls;
        self
    }

    /// Compares the states that have not been compared yet.
    pub fn finish(&mut self) {
        if let Some((pid, call, outcomes)) = self.last.take()
            && self.divergence.is_none()
        {
            // A side that cannot show its state now will say so when it is asked for more.
            let _ = self.compare_states(pid, &call, outcomes);
        }
    }

    /// A side broke down, and that is the difference.
    pub fn break_down(&mut self, pid: Pid, call: &Call, difference: Difference) {
        if self.divergence.is_none() {
            let outcomes = (Outcome::Livelock, Outcome::Livelock);
            self.diverge(pid, call, outcomes, pid, difference, None);
        }
    }

    /// The first difference, if one was found.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_deref()
    }

    /// The first difference, if one was found.
    pub fn into_divergence(self) -> Option<Divergence> {
        self.divergence.map(|boxed| *boxed)
    }

    /// The side whose back end failed, after a call returned an error.
    pub const fn failed_side(&self) -> Option<&Side> {
        self.failed.as_ref()
    }

    fn both(
        &mut self,
        mut run: impl FnMut(&mut dyn Backend) -> Result<Outcome, BackendError>,
    ) -> Result<(Outcome, Outcome), BackendError> {
        // The kernel first: a call that it cannot run must not have changed the simulator.
        let right = run(self.right).inspect_err(|_| self.failed = Some(Side::Right))?;
        let left = catching(|| run(self.left)).inspect_err(|_| self.failed = Some(Side::Left))?;
        Ok((left, right))
    }

    /// Compares outcomes, then the set of processes, then each process's state.
    fn compare(
        &mut self,
        pid: Pid,
        call: &Call,
        outcomes: (Outcome, Outcome),
    ) -> Result<(), BackendError> {
        let (left, right) = outcomes;
        if let Some(difference) = self.comparison.outcomes(left, right) {
            let (l, r) = self.states(pid, SnapshotLevel::All).unwrap_or_default();
            self.diverge(pid, call, outcomes, pid, difference, Some((l, r)));
            return Ok(());
        }
        if self.every > 1 && !(self.calls + 1).is_multiple_of(self.every) {
            self.last = Some((pid, call.clone(), outcomes));
            return Ok(());
        }
        self.last = None;
        self.compare_states(pid, call, outcomes)
    }

    fn compare_states(
        &mut self,
        pid: Pid,
        call: &Call,
        outcomes: (Outcome, Outcome),
    ) -> Result<(), BackendError> {
        let (l, r) = (self.left.processes(), self.right.processes());
        if l != r {
            let difference = Difference::Processes { left: l, right: r };
            self.diverge(pid, call, outcomes, pid, difference, None);
            return Ok(());
        }
        let Some(level) = self.comparison.level.snapshot_level() else {
            return Ok(());
        };
        for process in l {
            let (l, r) = self.states(process, level)?;
            if let Some(difference) = self.comparison.snapshots(&l, &r) {
                self.diverge(pid, call, outcomes, process, difference, Some((l, r)));
                return Ok(());
            }
        }
        Ok(())
    }

    fn states(
        &mut self,
        pid: Pid,
        level: SnapshotLevel,
    ) -> Result<(Snapshot, Snapshot), BackendError> {
        let right = self
            .right
            .snapshot(pid, level)
            .inspect_err(|_| self.failed = Some(Side::Right))?;
        let left = catching(|| self.left.snapshot(pid, level))
            .inspect_err(|_| self.failed = Some(Side::Left))?;
        Ok((left, right))
    }

    fn diverge(
        &mut self,
        pid: Pid,
        call: &Call,
        outcomes: (Outcome, Outcome),
        seen_in: Pid,
        difference: Difference,
        states: Option<(Snapshot, Snapshot)>,
    ) {
        let (left, right) = states.unzip();
        self.divergence = Some(Box::new(Divergence {
            index: self.calls,
            pid,
            call: call.clone(),
            seen_in,
            difference,
            left_outcome: outcomes.0,
            right_outcome: outcomes.1,
            left,
            right,
        }));
    }
}

impl Backend for Lockstep<'_> {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        if self.divergence.is_some() {
            return self.left.call(pid, call);
        }
        let outcomes = self.both(|side| side.call(pid, call))?;
        self.compare(pid, call, outcomes)?;
        self.calls += 1;
        Ok(outcomes.0)
    }

    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        self.left.snapshot(pid, level)
    }

    fn processes(&self) -> Vec<Pid> {
        self.left.processes()
    }
}

/// A panic of a simulator is a finding like others.
fn catching<T>(run: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without a text");
        Err(BackendError::Broken(format!("panicked: {text}")))
    })
}

/// Runs calls on both back ends until they differ.
///
/// # Errors
/// If a back end fails or cannot run a call.
pub fn run(
    left: &mut dyn Backend,
    right: &mut dyn Backend,
    comparison: &Comparison,
    calls: &[(Pid, Call)],
) -> Result<Option<Divergence>, BackendError> {
    let mut both = Lockstep::new(left, right, comparison.clone());
    for (pid, call) in calls {
        both.call(*pid, call)?;
        if both.divergence().is_some() {
            break;
        }
    }
    Ok(both.into_divergence())
}
