//! Runs the threads of a `parallel` block at the same time.

use std::sync::Barrier;

use sim_core::{BackendError, Concurrent};

use crate::executor::{Action, CallRole, Executor};
use crate::scenario::Step;
use crate::schedule::{chooser, hold_up};
use crate::stepper::Finished;

/// What a thread came to: its executor at its end, and its steps.
pub(crate) type Ran<'s> = (Executor<'s>, Vec<Finished<'s>>);

/// A step at which the back end could not go on.
pub(crate) type Stuck<'s> = (&'s Step, BackendError);

/// Runs every executor to its end on a thread of its own. They start together.
///
/// # Errors
/// The first one, by thread, that could not go on.
pub(crate) fn run<'s>(
    threads: Vec<Executor<'s>>,
    backend: &dyn Concurrent,
    (seed, block): (u64, u64),
) -> Result<Vec<Ran<'s>>, Stuck<'s>> {
    let start = Barrier::new(threads.len());
    backend.set_concurrent(true);
    let ran: Vec<_> = std::thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> = threads
            .into_iter()
            .enumerate()
            .map(|(number, executor)| {
                let mut rng = chooser(seed, block, number as u64);
                scope.spawn(move || {
                    start.wait();
                    thread(executor, backend, || hold_up(&mut rng))
                })
            })
            .collect();
        running
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    backend.set_concurrent(false);
    ran.into_iter()
        .map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        .collect()
}

fn thread<'s>(
    mut executor: Executor<'s>,
    backend: &dyn Concurrent,
    mut hold_up: impl FnMut(),
) -> Result<Ran<'s>, Stuck<'s>> {
    let mut finished = Vec::new();
    let mut call = None;
    while let Some(action) = executor.next_action() {
        let report = match action {
            Action::Call(action) => {
                hold_up();
                let outcome = backend.run(action.pid, &action.call);
                match action.role {
                    CallRole::Step => call = Some((action.pid, action.call)),
                    CallRole::Helper => {}
                }
                match outcome {
                    Ok(outcome) => executor.answer(outcome),
                    Err(BackendError::NoSuchProcess(_)) => Some(executor.process_is_gone()),
                    Err(error) => return Err((action.step, error)),
                }
            }
            Action::NotRun(report) => Some(report),
            Action::Check(_) | Action::Parallel(_) => {
                unreachable!("a scenario with one of these in a thread is not run")
            }
        };
        if let Some(report) = report {
            let call = call.take();
            finished.push(Finished { report, call });
        }
    }
    Ok((executor, finished))
}
