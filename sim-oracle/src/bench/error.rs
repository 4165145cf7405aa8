//! Why a workload could not be measured.

use sim_core::{BackendError, Outcome};

/// Why a workload could not be measured.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BenchError {
    /// It is not possible here, or with these numbers; the text says why.
    #[error("{0}")]
    NotPossible(String),
    /// A call of the workload did not come out as it must.
    #[error("{op} came out as {outcome}: the workload does not measure what it should")]
    Unexpected {
        /// The operation.
        op: &'static str,
        /// What it came to.
        outcome: Outcome,
    },
    /// The back end.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
