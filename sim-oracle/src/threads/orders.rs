//! Which sequential order of its calls explains what a history came to?
//!
//! Orders are tried depth first, each on a fresh machine, and given up at the first outcome that is
//! not the one seen. Calls that ended earlier are tried earlier: mostly the first order is the one.
//!
//! An access and its faults are not one piece: between a fault and the access that follows it, the page
//! may become another one, and what the fault did (a copy, for instance) stays. So where no order of
//! the calls explains a history, orders are tried in which accesses have such a fault before.

use std::borrow::Cow;

use sim_core::{Access, Advice, Call, Pid};

use super::history::History;
use super::pool::Timed;
use super::{Finding, Seen, Tried, before, states};
use crate::compare::{Comparison, Level};

/// Orders that are tried at most.
const MOST_ORDERS: usize = 20_000;

/// The threads that may be next at a place of the order, and which of them is being tried.
struct Choice {
    threads: Vec<usize>,
    tried: usize,
}

/// How an order went.
enum Went {
    Explains,
    /// The call at this place came out otherwise.
    Otherwise(usize, String),
    /// All calls came out as seen, but the final state did not.
    OtherState(String),
}

/// What comes without another thread's calls in between.
struct Piece<'a> {
    pid: Pid,
    call: Cow<'a, Call>,
    /// The call that it is a piece of.
    whole: &'a Timed,
    /// Whether the call comes to what this piece comes to.
    last: bool,
}

/// Looks for an order.
///
/// # Errors
/// If there is none.
pub(super) fn explain(history: &History, seen: &Seen) -> Result<Tried, Finding> {
    match explain_by(history, seen, &pieces(history, seen, false)) {
        Err(Finding::NoOrder(_)) => explain_by(history, seen, &pieces(history, seen, true)),
        explained => explained,
    }
}

/// The calls of each thread, with a fault before each access if asked for.
fn pieces<'a>(history: &'a History, seen: &'a Seen, faults: bool) -> Vec<Vec<Piece<'a>>> {
    let pieces = |(calls, made): (&'a Vec<(Pid, Call)>, &'a Vec<Timed>)| {
        let mut pieces = Vec::new();
        for ((pid, call), whole) in calls.iter().zip(made) {
            let piece = |call, last| Piece {
                pid: *pid,
                call,
                whole,
                last,
            };
            let fault = fault_of(call).filter(|_| faults);
            pieces.extend(fault.map(|fault| piece(Cow::Owned(fault), false)));
            pieces.push(piece(Cow::Borrowed(call), true));
        }
        pieces
    };
    history
        .threads
        .iter()
        .zip(&seen.threads)
        .map(pieces)
        .collect()
}

/// A fault of an access, as a call.
fn fault_of(call: &Call) -> Option<Call> {
    match *call {
        Call::Access { range, access } => Some(Call::Access {
            range,
            access: match access {
                Access::Write(_) => Access::Write(None),
                Access::Read | Access::Exec => access,
            },
        }),
        Call::Madvise {
            advice: Advice::PopulateRead | Advice::PopulateWrite,
            ..
        } => Some(call.clone()),
        _ => None,
    }
}

fn explain_by(history: &History, seen: &Seen, pieces: &[Vec<Piece<'_>>]) -> Result<Tried, Finding> {
    let mut choices = Vec::new();
    let mut nearest = (0, String::new());
    for _ in 0..MOST_ORDERS {
        let (depth, how) = match attempt(history, seen, pieces, &mut choices)? {
            Went::Explains => return Ok(Tried::Enough),
            Went::Otherwise(depth, how) => (depth, how),
            Went::OtherState(how) => (choices.len(), how),
        };
        if depth >= nearest.0 {
            nearest = (depth, format!("{}: {how}", name(&choices, depth)));
        }
        if !next(&mut choices, depth) {
            return Err(Finding::NoOrder(nearest.1));
        }
    }
    Ok(Tried::TooMany)
}

/// The threads of an order, for people.
fn name(choices: &[Choice], depth: usize) -> String {
    let chosen = choices.iter().take(depth + 1);
    let threads: Vec<_> = chosen
        .map(|choice| choice.threads[choice.tried].to_string())
        .collect();
    format!("with threads in the order {}", threads.join(" "))
}

/// The next order that differs at this place or before it.
fn next(choices: &mut Vec<Choice>, depth: usize) -> bool {
    choices.truncate(depth + 1);
    while let Some(last) = choices.last_mut() {
        last.tried += 1;
        if last.tried < last.threads.len() {
            return true;
        }
        choices.pop();
    }
    false
}

fn attempt(
    history: &History,
    seen: &Seen,
    pieces: &[Vec<Piece<'_>>],
    choices: &mut Vec<Choice>,
) -> Result<Went, Finding> {
    let machine = sim_fork::new_machine(&history.setup);
    let mut machine = machine.map_err(|error| Finding::Broken(error.to_string()))?;
    before(&mut *machine, history)?;
    let mut left: Vec<_> = pieces.iter().map(|thread| thread.iter()).collect();
    for depth in 0..pieces.iter().map(Vec::len).sum() {
        if depth == choices.len() {
            choices.push(Choice {
                threads: possible(&left),
                tried: 0,
            });
        }
        let choice = &choices[depth];
        let thread = choice.threads[choice.tried];
        let piece = left[thread].next().expect("only such threads are chosen");
        let outcome = machine.call(piece.pid, &piece.call);
        let wanted = &piece.whole.outcome;
        if piece.last && outcome != *wanted {
            let told = |outcome: &Result<_, sim_core::BackendError>| match outcome {
                Ok(outcome) => format!("{outcome}"),
                Err(error) => error.to_string(),
            };
            let how = format!(
                "{} of thread {thread} comes to {}, seen was {}",
                piece.call.op(),
                told(&outcome),
                told(wanted)
            );
            return Ok(Went::Otherwise(depth, how));
        }
    }
    Ok(match other_state(&states(&mut *machine)?, seen) {
        None => Went::Explains,
        Some(how) => Went::OtherState(how),
    })
}

/// Threads whose next piece may come next: none that had to wait for the end of another call. Those
/// that ended first come first.
fn possible(left: &[std::slice::Iter<'_, Piece<'_>>]) -> Vec<usize> {
    let next = |thread: &usize| left[*thread].as_slice().first().map(|piece| piece.whole);
    let all = 0..left.len();
    let first_end = all.clone().filter_map(|t| Some(next(&t)?.end)).min();
    let mut threads: Vec<_> = all
        .filter(|thread| {
            next(thread).is_some_and(|call| first_end.is_none_or(|end| call.begin <= end))
        })
        .collect();
    threads.sort_by_key(|thread| next(thread).map(|call| call.end));
    threads
}

fn other_state(states: &[(Pid, sim_core::Snapshot)], seen: &Seen) -> Option<String> {
    let pids = |states: &[(Pid, _)]| -> Vec<_> { states.iter().map(|(pid, _)| *pid).collect() };
    if pids(states) != pids(&seen.states) {
        return Some("other processes are alive".to_owned());
    }
    let comparison = Comparison::new(Level::Pages);
    states
        .iter()
        .zip(&seen.states)
        .find_map(|((pid, ours), (_, theirs))| {
            let difference = comparison.snapshots(ours, theirs)?;
            Some(format!(
                "process {pid} differs: {difference} (in order | seen)"
            ))
        })
}
