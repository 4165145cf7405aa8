//! What `parallel` may hold: steps whose meaning does not depend on which thread comes first.
//!
//! What they *do* may depend on it; that is what the block is for. Names, processes and the break
//! must not.

use std::collections::BTreeSet;

use super::{Walk, ranges_of};
use crate::diagnostics::Diagnostic;
use crate::scenario::{BrkTarget, Op, RangeKind, Step};
use crate::source::Span;

/// Threads that a block may have.
const MAX_THREADS: usize = 64;

/// What a thread uses and changes that others may not change meanwhile.
#[derive(Default)]
struct Claims<'s> {
    /// The processes it runs in.
    runs_in: BTreeSet<&'s str>,
    /// Processes that it ends, or gives another address space.
    ends: Vec<(&'s str, Span)>,
    /// The children that it makes.
    forks: Vec<(&'s str, Span)>,
    /// Names it gives to mappings, each with the process.
    gives: Vec<((&'s str, &'s str), Span)>,
    /// Names it uses.
    uses: BTreeSet<(&'s str, &'s str)>,
    /// A `brk` that is relative to where the break is.
    relative_brk: Option<Span>,
    /// Any `brk`.
    moves_break: bool,
}

impl<'s> Walk<'s, '_> {
    /// A block of threads: each on its own, then what they do to each other.
    pub(super) fn parallel(&mut self, step: &'s Step, threads: &'s [Vec<Step>]) {
        if threads.len() > MAX_THREADS {
            let message = format!("more than {MAX_THREADS} threads");
            self.diagnostics.push(Diagnostic::new(step.span, message));
            return;
        }
        let fine = threads.iter().all(|steps| self.may_run(steps));
        if !fine {
            return;
        }
        let before = (self.live.clone(), self.exited.clone());
        let (mut live, mut exited) = before.clone();
        let mut gone = BTreeSet::new();
        for steps in threads {
            (self.live, self.exited) = before.clone();
            self.steps(steps);
            let ended = |name: &&&str| !self.live.contains_key(**name);
            gone.extend(before.0.keys().filter(ended).copied());
            for (process, names) in &self.live {
                live.entry(process).or_default().extend(names);
            }
            exited.extend(&self.exited);
        }
        live.retain(|name, _| !gone.contains(name));
        exited.retain(|name| !live.contains_key(name));
        (self.live, self.exited) = (live, exited);
        let claims: Vec<_> = threads.iter().map(|steps| Claims::of(steps)).collect();
        self.disputes(&claims);
    }

    /// Reports operations that have no meaning in a thread.
    fn may_run(&mut self, steps: &[Step]) -> bool {
        let mut fine = true;
        for step in steps {
            let (message, hint) = match &step.op {
                Op::Check(_) => (
                    "a `check` inside `parallel`",
                    "put it after the block: there the threads have joined",
                ),
                Op::Inject { .. } => (
                    "an `inject` inside `parallel`",
                    "the failure would strike any of the threads; inject into steps outside",
                ),
                Op::Parallel { .. } => (
                    "a `parallel` inside `parallel`",
                    "give the outer one more threads",
                ),
                Op::Repeat { steps, .. } => {
                    fine &= self.may_run(steps);
                    continue;
                }
                _ => continue,
            };
            self.diagnostics
                .push(Diagnostic::new(step.span, message).hint(hint));
            fine = false;
        }
        fine
    }

    /// Reports what one thread would pull from under another.
    fn disputes(&mut self, claims: &[Claims<'s>]) {
        for (number, mine) in claims.iter().enumerate() {
            let others = || {
                let all = claims.iter().enumerate();
                all.filter(move |(other, _)| *other != number)
                    .map(|(_, claims)| claims)
            };
            for (process, span) in &mine.ends {
                if others().any(|other| other.runs_in.contains(process)) {
                    let message = format!("another thread of the block runs in `{process}`");
                    let hint = "let it end or execute after the block";
                    self.complain(*span, message, hint);
                }
            }
            for (child, span) in &mine.forks {
                if others().any(|other| other.forks.iter().any(|(name, _)| name == child)) {
                    let message = format!("another thread of the block forks a `{child}` too");
                    self.complain(*span, message, "choose another name");
                }
            }
            for ((process, name), span) in &mine.gives {
                let key = (*process, *name);
                let gives = |other: &Claims<'_>| other.gives.iter().any(|(given, _)| *given == key);
                if others().any(|other| other.uses.contains(&key) || gives(other)) {
                    let message = format!("another thread of the block uses the name `{name}`");
                    self.complain(*span, message, "choose another name");
                }
            }
            if let Some(span) = mine.relative_brk
                && others().any(|other| other.moves_break)
            {
                let message = "another thread of the block moves the break too";
                let hint = "give the address that it is to move to";
                self.complain(span, message.to_owned(), hint);
            }
        }
    }

    fn complain(&mut self, span: Span, message: String, hint: &str) {
        self.diagnostics
            .push(Diagnostic::new(span, message).hint(hint));
    }
}

impl<'s> Claims<'s> {
    fn of(steps: &'s [Step]) -> Self {
        let mut claims = Self::default();
        claims.add(steps);
        claims
    }

    fn add(&mut self, steps: &'s [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &'s Step) {
        let process = step.process.as_str();
        match &step.op {
            Op::Repeat { steps, .. } => {
                self.add(steps);
                return;
            }
            Op::Exit | Op::Execve { .. } => self.ends.push((process, step.span)),
            Op::Fork { name, .. } => self.forks.push((name, step.span)),
            Op::Mmap(mmap) => self.give(process, mmap.name.as_deref(), step.span),
            Op::Mremap(mremap) => self.give(process, mremap.name.as_deref(), step.span),
            Op::Brk(target) => {
                self.moves_break = true;
                match target {
                    BrkTarget::Absolute(_) => {}
                    BrkTarget::Up(_) | BrkTarget::Down(_) => self.relative_brk = Some(step.span),
                }
            }
            _ => {}
        }
        self.runs_in.insert(process);
        for range in ranges_of(&step.op) {
            if let RangeKind::Named { name, .. } = &range.kind {
                self.uses.insert((process, name));
            }
        }
    }

    fn give(&mut self, process: &'s str, name: Option<&'s str>, span: Span) {
        if let Some(name) = name {
            self.gives.push(((process, name), span));
        }
    }
}
