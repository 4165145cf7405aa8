//! Calls that would destroy the worker they run in, or the machine.

use sim_core::{Advice, BackendError, Call, MapFlags, SyscallRange};

use super::worker::layout::{TASK_SIZE, TOP};

/// Refuses calls that reach the worker's own memory, or poison real memory.
pub(super) fn check(call: &Call) -> Result<(), BackendError> {
    let reaches = |range: &SyscallRange| reaches(range.addr.get(), range.len.get());
    let dangerous = match call {
        Call::Madvise { range, advice } => {
            if matches!(advice.number(), 100 | 101) {
                return Err(BackendError::NotSupported(
                    "it would take real memory out of use".to_owned(),
                ));
            }
            *advice != Advice::Other(-1) && reaches(range)
        }
        // A hint counts too: between what workers have there is room.
        Call::Mmap(args) => {
            let asked = args
                .flags
                .intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
            (asked || args.addr.get() != 0) && self::reaches(args.addr.get(), args.len.get())
        }
        Call::Mremap(args) => {
            self::reaches(args.addr.get(), args.old_len.get().max(args.new_len.get()))
                || self::reaches(args.new_addr.get(), args.new_len.get())
        }
        Call::Munmap(range)
        | Call::Munlock(range)
        | Call::Mseal(range)
        | Call::Msync(range)
        | Call::Mincore(range)
        | Call::UffdUnregister(range)
        | Call::UffdZeropage(range)
        | Call::UffdPoison(range)
        | Call::Reclaim(range)
        | Call::Mprotect { range, .. }
        | Call::Mlock { range, .. }
        | Call::Mbind { range, .. }
        | Call::VmaName { range, .. }
        | Call::UffdRegister { range, .. }
        | Call::UffdWriteprotect { range, .. }
        | Call::UffdCopy { range, .. }
        | Call::UffdContinue { range, .. }
        | Call::Access { range, .. } => reaches(range),
        Call::UffdMove { range, from } => {
            reaches(range) || self::reaches(from.get(), range.len.get())
        }
        Call::Brk(to) => (TOP..TASK_SIZE).contains(&to.get()),
        Call::Mlockall(_)
        | Call::Munlockall
        | Call::Fork { .. }
        | Call::Exit
        | Call::Execve { .. }
        | Call::Khugepaged { .. }
        | Call::ReclaimPages(_)
        | Call::ClearRefs(_)
        | Call::Truncate { .. }
        | Call::PunchHole { .. }
        | Call::InjectAllocFailure { .. } => false,
    };
    if dangerous {
        return Err(BackendError::NotSupported(format!(
            "the range reaches {TOP:#x}, where the back end's own memory is"
        )));
    }
    Ok(())
}

/// Has the range a byte of the workers' own place? (A length that overflows is refused by Linux.)
fn reaches(addr: u64, len: u64) -> bool {
    let Some(end) = addr.checked_add(len) else {
        return false;
    };
    addr < TASK_SIZE && end > TOP
}
