//! Why the live kernel cannot be used.

use std::io;

use sim_core::BackendError;

/// Why the live kernel cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LiveError {
    /// It is not possible here or with this setup; the text says why.
    #[error("the live kernel cannot be used: {0}")]
    NotPossible(String),
    /// It should have been possible.
    #[error("the live kernel back end broke down: {0}")]
    Broken(String),
}

impl From<io::Error> for LiveError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<LiveError> for BackendError {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::NotPossible(why) => Self::NotSupported(why),
            LiveError::Broken(why) => Self::Broken(why),
        }
    }
}

/// An input/output error as a breakdown of the back end.
pub(super) fn broken(error: &io::Error) -> BackendError {
    BackendError::Broken(error.to_string())
}
