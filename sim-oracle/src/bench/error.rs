//! Why a workload could not be measured.

use sim_core::BackendError;

use super::Failure;

/// Why a workload could not be measured.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BenchError {
    /// It is not possible here, or with these numbers; the text says why.
    #[error("{0}")]
    NotPossible(String),
    /// A call of the workload did not come out as it must.
    #[error(transparent)]
    Unexpected(#[from] Failure),
    /// The back end.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
