//! Which sequential order of its calls explains what a history came to?
//!
//! Orders are tried depth first, each on a fresh machine, and given up at the first outcome that is
//! not the one seen. Calls that ended earlier are tried earlier: mostly the first order is the one.

use super::history::History;
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

/// Looks for an order.
///
/// # Errors
/// If there is none.
pub(super) fn explain(history: &History, seen: &Seen) -> Result<Tried, Finding> {
    let mut choices = Vec::new();
    let mut nearest = (0, String::new());
    for _ in 0..MOST_ORDERS {
        let (depth, how) = match attempt(history, seen, &mut choices)? {
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

fn attempt(history: &History, seen: &Seen, choices: &mut Vec<Choice>) -> Result<Went, Finding> {
    let machine = sim_fork::new_machine(&history.setup);
    let mut machine = machine.map_err(|error| Finding::Broken(error.to_string()))?;
    before(&mut *machine, history)?;
    let mut done = vec![0; history.threads.len()];
    for depth in 0..history.threads.iter().map(Vec::len).sum() {
        if depth == choices.len() {
            choices.push(Choice {
                threads: possible(seen, &done),
                tried: 0,
            });
        }
        let choice = &choices[depth];
        let thread = choice.threads[choice.tried];
        let (pid, call) = &history.threads[thread][done[thread]];
        let outcome = machine.call(*pid, call);
        let wanted = &seen.threads[thread][done[thread]].outcome;
        if outcome != *wanted {
            let told = |outcome: &Result<_, sim_core::BackendError>| match outcome {
                Ok(outcome) => format!("{outcome}"),
                Err(error) => error.to_string(),
            };
            let how = format!(
                "{} of thread {thread} comes to {}, seen was {}",
                call.op(),
                told(&outcome),
                told(wanted)
            );
            return Ok(Went::Otherwise(depth, how));
        }
        done[thread] += 1;
    }
    Ok(match other_state(&states(&mut *machine)?, seen) {
        None => Went::Explains,
        Some(how) => Went::OtherState(how),
    })
}

/// Threads whose next call may come next: none that had to wait for the end of another one. Those
/// that ended first come first.
fn possible(seen: &Seen, done: &[usize]) -> Vec<usize> {
    let next = |thread: &usize| seen.threads[*thread].get(done[*thread]);
    let all = 0..seen.threads.len();
    let first_end = all.clone().filter_map(|t| Some(next(&t)?.end)).min();
    let mut threads: Vec<_> = all
        .filter(|thread| {
            next(thread).is_some_and(|call| first_end.is_none_or(|end| call.begin <= end))
        })
        .collect();
    threads.sort_by_key(|thread| next(thread).map(|call| call.end));
    threads
}

fn other_state(states: &[(sim_core::Pid, sim_core::Snapshot)], seen: &Seen) -> Option<String> {
    let pids =
        |states: &[(sim_core::Pid, _)]| -> Vec<_> { states.iter().map(|(pid, _)| *pid).collect() };
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
