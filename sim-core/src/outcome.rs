//! What a [`Call`](crate::Call) came to.

use std::fmt;

use crate::{Errno, Signal};

/// The outcome of one call: ordinary data in every case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It succeeded with this value: an address for `mmap`, `mremap` and `brk`, a byte for a read,
    /// otherwise 0.
    Value(u64),
    /// It failed with this error.
    Errno(Errno),
    /// The access raised this signal.
    Signal(Signal),
    /// The access waits for a userfault that nobody handles; nothing was changed by the page that
    /// waits.
    UffdWait,
    /// Linux would restart the call for ever.
    Livelock,
}

impl Outcome {
    /// Success with value 0.
    pub const OK: Self = Self::Value(0);

    /// Did the call succeed?
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Value(_))
    }
}

impl From<Result<u64, Errno>> for Outcome {
    fn from(result: Result<u64, Errno>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(errno) => Self::Errno(errno),
        }
    }
}

impl From<Result<(), Errno>> for Outcome {
    fn from(result: Result<(), Errno>) -> Self {
        result.map(|()| 0).into()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value:#x}"),
            Self::Errno(errno) => write!(f, "{errno}"),
            Self::Signal(signal) => write!(f, "{signal}"),
            Self::UffdWait => f.write_str("UFFD_WAIT"),
            Self::Livelock => f.write_str("LIVELOCK"),
        }
    }
}
