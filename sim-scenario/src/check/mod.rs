//! Compares a process's state with what a `check` asserts about it.
//!
//! Each kind of assertion is a file: [`vmas`], [`pages`], [`counters`], [`maps`]. Each gives the
//! causes of what does not hold; what holds gives nothing.

mod counters;
mod maps;
mod pages;
mod vmas;

use sim_core::{Backend, BackendError, Pid, Snapshot, SnapshotLevel, VmaSnapshot};

use crate::executor::{CheckAction, Executor};
use crate::report::Failure;
use crate::scenario::{Check, RangeExpr};
use crate::source::{Placed, Span};

/// Addresses from a first one to the one after the last; not aligned, 2^64 is possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Interval {
    start: u128,
    end: u128,
}

impl Interval {
    fn of_vma(vma: &VmaSnapshot) -> Self {
        Self {
            start: u128::from(vma.range.start().get()),
            end: u128::from(vma.range.end().get()),
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// What does not hold, with the place where it is asserted.
///
/// # Errors
/// If the state cannot be read.
pub(crate) fn evaluate<B: Backend + ?Sized>(
    action: &CheckAction<'_>,
    executor: &Executor<'_>,
    backend: &mut B,
) -> Result<Vec<Failure>, BackendError> {
    let check = action.check;
    let snapshot = backend.snapshot(action.pid, level(check))?;
    let mut asserted = Asserted {
        executor,
        pid: action.pid,
        snapshot: &snapshot,
        failures: Vec::new(),
    };
    asserted.all(check);
    let mut failures = asserted.failures;
    if check.invariants {
        failures.extend(invariants(backend, action.step.span));
    }
    Ok(failures)
}

/// The invariant of the back end that is broken, if one is.
pub(crate) fn invariants<B: Backend + ?Sized>(backend: &mut B, span: Span) -> Option<Failure> {
    let broken = backend.check_invariants().err()?;
    Some(Failure {
        span,
        cause: format!("a broken invariant: {broken}"),
    })
}

fn level(check: &Check) -> SnapshotLevel {
    if check.pages.is_empty() && check.smaps.is_empty() {
        SnapshotLevel::Vma
    } else {
        SnapshotLevel::All
    }
}

struct Asserted<'a, 's> {
    executor: &'a Executor<'s>,
    pid: Pid,
    snapshot: &'a Snapshot,
    failures: Vec<Failure>,
}

impl Asserted<'_, '_> {
    fn all(&mut self, check: &Check) {
        let vmas = &self.snapshot.vmas;
        for line in &check.vmas {
            let at = self.interval(&line.value.at);
            self.note(
                line.span,
                at.and_then(|at| vmas::line(&line.value, at, vmas)),
            );
        }
        if let Some(count) = &check.count {
            self.note(count.span, vmas::count(count.value, vmas));
        }
        self.ranged(&check.counts, |count, at| vmas::count_in(*count, at, vmas));
        self.ranged(&check.flags, |terms, at| vmas::flags(terms, at, vmas));
        let runs = &self.snapshot.pages;
        self.ranged(&check.pages, |pattern, at| pages::pages(pattern, at, runs));
        self.ranged(&check.smaps, |term, at| counters::counter(term, at, vmas));
        if let Some(lines) = &check.maps {
            self.note(lines.span, maps::maps(&lines.value, vmas));
        }
    }

    fn ranged<T>(
        &mut self,
        entries: &[Placed<(RangeExpr, T)>],
        holds: impl Fn(&T, Interval) -> Result<(), String>,
    ) {
        for entry in entries {
            let (range, asserted) = &entry.value;
            let at = self.interval(range);
            self.note(entry.span, at.and_then(|at| holds(asserted, at)));
        }
    }

    fn interval(&self, range: &RangeExpr) -> Result<Interval, String> {
        let range = self.executor.resolve(self.pid, range)?;
        let start = u128::from(range.addr.get());
        Ok(Interval {
            start,
            end: start + u128::from(range.len.get()),
        })
    }

    fn note(&mut self, span: Span, result: Result<(), String>) {
        if let Err(cause) = result {
            self.failures.push(Failure { span, cause });
        }
    }
}

/// A size for people: whole pages as `16p`, else bytes.
fn size(bytes: u128) -> String {
    let page = u128::from(sim_core::PAGE_SIZE);
    if bytes.is_multiple_of(page) {
        format!("{}p", bytes / page)
    } else {
        format!("{bytes:#x}")
    }
}
