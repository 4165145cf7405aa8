//! Assertions about page states.

use std::fmt::Write as _;

use sim_core::{PAGE_SIZE, PageRun, PageState};

use super::{Interval, size};
use crate::scenario::{PageKind, PageTerm};

/// Stretches of wrong pages that are listed.
const SHOWN: usize = 4;

/// Is every page of a range in one of these states?
pub(super) fn pages(pattern: &[PageTerm], at: Interval, runs: &[PageRun]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (stretch, state) in stretches(at, runs) {
        if !pattern.iter().any(|term| matches(*term, state)) {
            let len = size(stretch.end - stretch.start);
            let is = state.map_or_else(|| "none".to_owned(), describe);
            wrong.push(format!("{:#x}+{len} is `{is}`", stretch.start));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = if wrong.len() > SHOWN { ", …" } else { "" };
    wrong.truncate(SHOWN);
    let expected: Vec<_> = pattern.iter().copied().map(describe_term).collect();
    let expected = expected.join(" | ");
    Err(format!(
        "expected `{expected}`, but {}{more}",
        wrong.join(", ")
    ))
}

/// The pages of a range in stretches of the same state; `None` is no entry.
fn stretches(at: Interval, runs: &[PageRun]) -> Vec<(Interval, Option<PageState>)> {
    let page = u128::from(PAGE_SIZE);
    if at.start >= at.end {
        return Vec::new();
    }
    let (mut next, end) = (at.start / page * page, at.end.div_ceil(page) * page);
    let mut out = Vec::new();
    for run in runs {
        let start = u128::from(run.range.start().get()).max(next);
        let stop = u128::from(run.range.end().get()).min(end);
        if start >= stop {
            continue;
        }
        if next < start {
            out.push((
                Interval {
                    start: next,
                    end: start,
                },
                None,
            ));
        }
        out.push((Interval { start, end: stop }, Some(run.state)));
        next = stop;
    }
    if next < end {
        out.push((Interval { start: next, end }, None));
    }
    out
}

fn matches(term: PageTerm, state: Option<PageState>) -> bool {
    let agrees = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
    let Some(state) = state else {
        return term.kind == PageKind::None;
    };
    if kind_of(state) != term.kind {
        return false;
    }
    match state {
        PageState::Present {
            exclusive,
            file,
            huge,
            uffd_wp,
            soft_dirty,
        } => {
            agrees(term.exclusive, exclusive)
                && agrees(term.file, file)
                && agrees(term.huge, huge)
                && agrees(term.uffd_wp, uffd_wp)
                && agrees(term.soft_dirty, soft_dirty)
        }
        PageState::Swap {
            uffd_wp,
            soft_dirty,
        } => agrees(term.uffd_wp, uffd_wp) && agrees(term.soft_dirty, soft_dirty),
        PageState::Guard | PageState::Poison | PageState::Marker | PageState::Migration => true,
    }
}

const fn kind_of(state: PageState) -> PageKind {
    match state {
        PageState::Present { .. } => PageKind::Present,
        PageState::Swap { .. } => PageKind::Swap,
        PageState::Guard => PageKind::Guard,
        PageState::Poison => PageKind::Poison,
        PageState::Marker => PageKind::Marker,
        PageState::Migration => PageKind::Migration,
    }
}

/// A state in the words of the language, every qualifier said.
fn describe(state: PageState) -> String {
    let mut term = PageTerm {
        kind: kind_of(state),
        exclusive: None,
        file: None,
        huge: None,
        uffd_wp: None,
        soft_dirty: None,
    };
    match state {
        PageState::Present {
            exclusive,
            file,
            huge,
            uffd_wp,
            soft_dirty,
        } => {
            term.exclusive = Some(exclusive);
            term.file = Some(file);
            term.huge = Some(huge);
            term.uffd_wp = uffd_wp.then_some(true);
            term.soft_dirty = soft_dirty.then_some(true);
        }
        PageState::Swap {
            uffd_wp,
            soft_dirty,
        } => {
            term.uffd_wp = uffd_wp.then_some(true);
            term.soft_dirty = soft_dirty.then_some(true);
        }
        PageState::Guard | PageState::Poison | PageState::Marker | PageState::Migration => {}
    }
    describe_term(term)
}

fn describe_term(term: PageTerm) -> String {
    let mut out = term.kind.name().to_owned();
    let qualifiers = [
        (term.exclusive, "exclusive", "shared"),
        (term.file, "file", "anon"),
        (term.huge, "huge", "small"),
        (term.uffd_wp, "uffd_wp", "-uffd_wp"),
        (term.soft_dirty, "soft_dirty", "-soft_dirty"),
    ];
    for (value, yes, no) in qualifiers {
        if let Some(value) = value {
            let _ = write!(out, " {}", if value { yes } else { no });
        }
    }
    out
}
