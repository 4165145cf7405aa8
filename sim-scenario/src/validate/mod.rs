//! What only the whole scenario shows: names that nobody defines, runs that would not end, parts
//! that are not modelled.

mod parallel;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::scenario::{
    Check, CopySource, Expect, MAIN, Op, PageSelection, RangeExpr, RangeKind, Scenario, Step,
};
use sim_core::{Bytes, PAGE_SIZE, PageOffset, SyscallRange};

/// Steps that a run may have, those inside `repeat` counted as often as they run.
const MAX_STEPS: u64 = 10_000_000;

/// Reports what is wrong with a scenario as a whole. Names in `half_known` are not reported: the
/// steps that give them are wrong themselves.
pub(crate) fn validate(
    scenario: &Scenario,
    half_known: &BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) {
    if count_steps(&scenario.steps, diagnostics).is_none_or(|count| count > MAX_STEPS) {
        let span = scenario
            .steps
            .first()
            .map_or_else(Default::default, |step| step.span);
        too_many(span, diagnostics);
        return;
    }
    let mut walk = Walk {
        half_known,
        diagnostics,
        live: BTreeMap::from([(MAIN, Names::new())]),
        exited: BTreeSet::new(),
    };
    walk.steps(&scenario.steps);
}

/// How many steps a list is when it runs; `None` if that has been reported as too many.
fn count_steps(steps: &[Step], diagnostics: &mut Diagnostics) -> Option<u64> {
    let mut sum = 0_u64;
    let mut reported = false;
    for step in steps {
        let count = match &step.op {
            Op::Repeat { steps, .. } if steps.is_empty() => Some(0),
            Op::Repeat { times, steps } => count_steps(steps, diagnostics).and_then(|inner| {
                let count = inner.max(1).saturating_mul(*times);
                (count <= MAX_STEPS).then_some(count).or_else(|| {
                    too_many(step.span, diagnostics);
                    None
                })
            }),
            Op::Parallel { threads } => threads.iter().try_fold(0_u64, |sum, steps| {
                Some(sum.saturating_add(count_steps(steps, diagnostics)?))
            }),
            _ => Some(1),
        };
        match count {
            Some(count) => sum = sum.saturating_add(count),
            None => reported = true,
        }
    }
    (!reported).then_some(sum)
}

fn too_many(span: crate::source::Span, diagnostics: &mut Diagnostics) {
    if diagnostics
        .iter()
        .any(|known| known.message.starts_with("too many steps"))
    {
        return;
    }
    let message = format!("too many steps: this would run more than {MAX_STEPS}");
    diagnostics.push(Diagnostic::new(span, message).hint("repeat fewer times"));
}

/// The names of ranges that a process knows, with their pages.
type Names<'s> = BTreeMap<&'s str, u64>;

/// Follows names through the steps.
struct Walk<'s, 'd> {
    half_known: &'s BTreeSet<String>,
    diagnostics: &'d mut Diagnostics,
    live: BTreeMap<&'s str, Names<'s>>,
    exited: BTreeSet<&'s str>,
}

impl<'s> Walk<'s, '_> {
    fn steps(&mut self, steps: &'s [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &'s Step) {
        match &step.op {
            Op::Repeat { times, steps } => {
                // The second time shows what the first one leaves behind.
                for _ in 0..(*times).clamp(1, 2) {
                    self.steps(steps);
                }
                return;
            }
            Op::Parallel { threads } => {
                self.parallel(step, threads);
                return;
            }
            _ => {}
        }
        if !self.live.contains_key(step.process.as_str()) {
            self.unknown_process(step);
            return;
        }
        for range in ranges_of(&step.op) {
            self.range(step, range);
            if touches_memory(&step.op) {
                self.fits(range);
            }
        }
        for expect in step.expect.value.alternatives() {
            if let Expect::Address(range) = expect
                && !names_itself(step, range)
            {
                self.range(step, range);
            }
        }
        self.effects(step);
    }

    fn unknown_process(&mut self, step: &Step) {
        let name = step.process.as_str();
        if self.half_known.contains(name) {
            return;
        }
        let diagnostic = if self.exited.contains(name) {
            Diagnostic::new(
                step.process_span,
                format!("process `{name}` has exited before"),
            )
        } else {
            let message = format!("there is no process `{name}` at this point");
            Diagnostic::new(step.process_span, message)
                .expected("\"main\", or the name that a fork before this step gives")
                .did_you_mean(name, self.live.keys().copied())
        };
        self.diagnostics.push(diagnostic);
    }

    fn range(&mut self, step: &Step, range: &RangeExpr) {
        let RangeKind::Named { name, pages } = &range.kind else {
            return;
        };
        if self.half_known.contains(name) {
            return;
        }
        let names = &self.live[step.process.as_str()];
        let Some(&size) = names.get(name.as_str()) else {
            let message = format!("process `{}` knows no `{name}` at this point", step.process);
            let diagnostic = Diagnostic::new(range.span, message)
                .expected(
                    "a name that an earlier mmap or mremap of this process or its parent gives",
                )
                .did_you_mean(name, names.keys().copied());
            self.diagnostics.push(diagnostic);
            return;
        };
        if let PageSelection::From(PageOffset(first)) = pages
            && *first > size
        {
            let message = format!("`{name}` has {size} pages only");
            self.diagnostics.push(Diagnostic::new(range.span, message));
        }
    }

    fn fits(&mut self, range: &RangeExpr) {
        if let RangeKind::Absolute(SyscallRange { addr, len }) = &range.kind
            && addr
                .checked_add(Bytes(len.get().saturating_sub(1)))
                .is_none()
        {
            let message = "this range ends outside the address space";
            let diagnostic = Diagnostic::new(range.span, message)
                .expected("at most 64 bits: only a system call can be given a range that wraps");
            self.diagnostics.push(diagnostic);
        }
    }

    fn effects(&mut self, step: &'s Step) {
        let process = step.process.as_str();
        match &step.op {
            Op::Mmap(mmap) => self.named(process, mmap.name.as_deref(), mmap.len),
            Op::Mremap(mremap) => self.named(process, mremap.name.as_deref(), mremap.new_len),
            Op::Fork { name, .. } => self.forked(step, process, name),
            Op::Exit => {
                self.live.remove(process);
                self.exited.insert(process);
            }
            _ => {}
        }
    }

    fn named(&mut self, process: &str, name: Option<&'s str>, len: Bytes) {
        if let (Some(names), Some(name)) = (self.live.get_mut(process), name) {
            names.insert(name, len.page_align().get() / PAGE_SIZE);
        }
    }

    fn forked(&mut self, step: &'s Step, parent: &str, name: &'s str) {
        let fails = |expect: &Expect| match expect {
            Expect::Errno(_) | Expect::Signal(_) | Expect::UffdWait | Expect::Livelock => true,
            Expect::Ok | Expect::Any | Expect::Value(_) | Expect::Address(_) | Expect::OneOf(_) => {
                false
            }
        };
        if step.expect.value.alternatives().iter().all(fails) {
            // There will be no child.
            return;
        }
        if self.live.contains_key(name) {
            let message = format!("a process `{name}` is running already");
            let hint = "let it exit first, or choose another name";
            self.diagnostics
                .push(Diagnostic::new(step.span, message).hint(hint));
            return;
        }
        let names = self.live[parent].clone();
        self.live.insert(name, names);
        self.exited.remove(name);
    }
}

/// Does an operation look at memory itself, instead of passing a range to a system call?
fn touches_memory(op: &Op) -> bool {
    matches!(op, Op::Access { .. } | Op::Check(_) | Op::Reclaim(_))
}

/// Does an expectation name the mapping that the step itself names?
fn names_itself(step: &Step, range: &RangeExpr) -> bool {
    let given = match &step.op {
        Op::Mmap(mmap) => mmap.name.as_deref(),
        Op::Mremap(mremap) => mremap.name.as_deref(),
        _ => None,
    };
    matches!(&range.kind, RangeKind::Named { name, .. } if given == Some(name.as_str()))
}

/// Every range that an operation uses.
fn ranges_of(op: &Op) -> Vec<&RangeExpr> {
    match op {
        Op::Mmap(mmap) => mmap.addr.iter().collect(),
        Op::Mremap(mremap) => std::iter::once(&mremap.range).chain(&mremap.to).collect(),
        Op::Munmap(range)
        | Op::Munlock(range)
        | Op::Mseal(range)
        | Op::Msync(range)
        | Op::Mincore(range)
        | Op::UffdUnregister(range)
        | Op::UffdZeropage(range)
        | Op::UffdPoison(range)
        | Op::Reclaim(range)
        | Op::Mprotect { range, .. }
        | Op::Madvise { range, .. }
        | Op::Mlock { range, .. }
        | Op::Mbind { range, .. }
        | Op::VmaName { range, .. }
        | Op::UffdRegister { range, .. }
        | Op::UffdWriteprotect { range, .. }
        | Op::UffdContinue { range, .. }
        | Op::Access { range, .. } => vec![range],
        Op::UffdCopy { range, source, .. } => match source {
            CopySource::Memory(from) => vec![range, from],
            CopySource::Value(_) => vec![range],
        },
        Op::UffdMove { range, from } => vec![range, from],
        Op::Check(check) => ranges_of_check(check),
        Op::Mlockall(_)
        | Op::Munlockall
        | Op::Brk(_)
        | Op::Fork { .. }
        | Op::Exit
        | Op::Execve { .. }
        | Op::Khugepaged { .. }
        | Op::ReclaimPages(_)
        | Op::ClearRefs(_)
        | Op::Truncate { .. }
        | Op::PunchHole { .. }
        | Op::Inject { .. }
        | Op::Repeat { .. }
        | Op::Parallel { .. } => Vec::new(),
    }
}

fn ranges_of_check(check: &Check) -> Vec<&RangeExpr> {
    let vmas = check.vmas.iter().map(|line| &line.value.at);
    let counts = check.counts.iter().map(|entry| &entry.value.0);
    let flags = check.flags.iter().map(|entry| &entry.value.0);
    let pages = check.pages.iter().map(|entry| &entry.value.0);
    let smaps = check.smaps.iter().map(|entry| &entry.value.0);
    vmas.chain(counts)
        .chain(flags)
        .chain(pages)
        .chain(smaps)
        .collect()
}
