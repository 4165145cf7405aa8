//! Calls whose result is an address that the kernel chose: the back end chooses, and what it put
//! elsewhere is moved to where the log has it.

use sim_core::{
    BackendError, Call, Errno, MapFlags, MmapArgs, MremapArgs, MremapFlags, Outcome, Pid,
    SyscallRange, VirtAddr,
};

use super::target::ReplayTarget;

/// How a call that returns an address came out.
pub(super) struct Placed {
    /// What the back end did first.
    pub(super) outcome: Outcome,
    /// The mapping was moved to where the log has it, which is not an error: there is more than
    /// one right choice.
    pub(super) moved: bool,
}

impl Placed {
    fn as_it_is(outcome: Outcome) -> Self {
        Self {
            outcome,
            moved: false,
        }
    }
}

/// Runs an `mmap` that succeeded at `logged`.
pub(super) fn mmap_at<T: ReplayTarget + ?Sized>(
    target: &mut T,
    pid: Pid,
    args: MmapArgs,
    logged: VirtAddr,
) -> Result<Placed, BackendError> {
    let outcome = target.call(pid, &Call::Mmap(args))?;
    let Outcome::Value(chosen) = outcome else {
        return Ok(Placed::as_it_is(outcome));
    };
    let fixed = args
        .flags
        .intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
    if chosen == logged.get() || fixed {
        return Ok(Placed::as_it_is(outcome));
    }
    let elsewhere = SyscallRange::new(VirtAddr::new(chosen), args.len);
    target.call(pid, &Call::Munmap(elsewhere))?;
    let mut there = MmapArgs {
        addr: logged,
        flags: args.flags | MapFlags::FIXED_NOREPLACE,
        ..args
    };
    let second = target.call(pid, &Call::Mmap(there))?;
    if second == Outcome::Errno(Errno::EEXIST) {
        // The kernel had room there: follow it, and report the difference.
        there.flags = args.flags | MapFlags::FIXED;
        target.call(pid, &Call::Mmap(there))?;
    }
    Ok(Placed {
        outcome,
        moved: second == Outcome::Value(logged.get()),
    })
}

/// Runs an `mremap` that succeeded at `logged`.
pub(super) fn mremap_at<T: ReplayTarget + ?Sized>(
    target: &mut T,
    pid: Pid,
    args: MremapArgs,
    logged: VirtAddr,
) -> Result<Placed, BackendError> {
    let outcome = target.call(pid, &Call::Mremap(args))?;
    let Outcome::Value(chosen) = outcome else {
        return Ok(Placed::as_it_is(outcome));
    };
    if chosen == logged.get() {
        return Ok(Placed::as_it_is(outcome));
    }
    let correction = Call::Mremap(MremapArgs {
        addr: VirtAddr::new(chosen),
        old_len: args.new_len,
        new_len: args.new_len,
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
        new_addr: logged,
    });
    let corrected = target.call(pid, &correction)? == Outcome::Value(logged.get());
    let both_moved = chosen != args.addr.get() && logged != args.addr;
    Ok(Placed {
        outcome,
        moved: corrected && both_moved,
    })
}
