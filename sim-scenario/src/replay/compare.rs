//! Whether a call came out as in the log, and if not, whether the log explains it.

use sim_core::{Advice, Call, Errno, Outcome};

use super::report::Explanation;
use super::strace::Logged;

/// Is that what the log says?
pub(super) fn agrees(logged: Logged, outcome: Outcome) -> bool {
    match (logged, outcome) {
        (Logged::Value(value), Outcome::Value(other)) => value == other,
        (Logged::Errno(errno), Outcome::Errno(other)) => errno == other,
        (Logged::Unknown, _) => true,
        (
            Logged::Value(_) | Logged::Errno(_) | Logged::OtherError,
            Outcome::Value(_)
            | Outcome::Errno(_)
            | Outcome::Signal(_)
            | Outcome::UffdWait
            | Outcome::Livelock,
        ) => false,
    }
}

/// Why the log's result may differ without either being wrong.
pub(super) fn explanation(call: &Call, logged: Logged) -> Option<Explanation> {
    let Logged::Errno(errno) = logged else {
        return (logged == Logged::OtherError).then_some(Explanation::NotOfMm);
    };
    let touched = match call {
        Call::Madvise { advice, .. } => matches!(
            advice,
            Advice::Collapse | Advice::PopulateRead | Advice::PopulateWrite
        ),
        Call::Msync(_) | Call::Mincore(_) => true,
        _ => false,
    };
    let file = matches!(call, Call::Mmap(args) if args.file.is_some())
        || matches!(call, Call::Mprotect { .. });
    match errno {
        Errno::EACCES | Errno::EPERM | Errno::ENODEV | Errno::ETXTBSY if file => {
            Some(Explanation::OpenFile)
        }
        Errno::EAGAIN | Errno::ENOMEM | Errno::EPERM if limited(call) => Some(Explanation::Limits),
        _ if touched => Some(Explanation::Touched),
        _ => None,
    }
}

/// Calls that a limit of the process can make fail.
fn limited(call: &Call) -> bool {
    matches!(
        call,
        Call::Mmap(_) | Call::Mremap(_) | Call::Mlock { .. } | Call::Mlockall(_)
    )
}
