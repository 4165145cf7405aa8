//! Steps as calls, with their names resolved, and what their outcomes mean for names.

use sim_core::{
    Access, Bytes, Call, MapFlags, MmapArgs, MremapArgs, Outcome, Pid, SyscallRange,
    UffdCopySource, VirtAddr,
};

use super::processes::Processes;
use crate::scenario::{
    AccessKind, BrkTarget, CopySource, MmapStep, MremapStep, Op, RangeExpr, Step,
};

/// Does a step move the break by so many bytes?
pub(super) fn uses_relative_brk(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.op {
        Op::Brk(BrkTarget::Up(_) | BrkTarget::Down(_)) => true,
        Op::Repeat { steps, .. } => uses_relative_brk(steps),
        Op::Parallel { threads } => threads.iter().any(|steps| uses_relative_brk(steps)),
        _ => false,
    })
}

/// The call that a step makes in a process; a reason for people if it cannot be made.
pub(super) fn call_of(
    step: &Step,
    pid: Pid,
    processes: &mut Processes<'_>,
) -> Result<Call, String> {
    let at = |range: &RangeExpr| processes.resolve(pid, range);
    Ok(match &step.op {
        Op::Mmap(mmap) => Call::Mmap(mmap_args(mmap, at)?),
        Op::Munmap(range) => Call::Munmap(at(range)?),
        Op::Mprotect { range, prot, pkey } => Call::Mprotect {
            range: at(range)?,
            prot: *prot,
            pkey: *pkey,
        },
        Op::Mremap(mremap) => Call::Mremap(mremap_args(mremap, at)?),
        Op::Madvise { range, advice } => Call::Madvise {
            range: at(range)?,
            advice: *advice,
        },
        Op::Mlock { range, onfault } => Call::Mlock {
            range: at(range)?,
            onfault: *onfault,
        },
        Op::Munlock(range) => Call::Munlock(at(range)?),
        Op::Mlockall(flags) => Call::Mlockall(*flags),
        Op::Munlockall => Call::Munlockall,
        Op::Mseal(range) => Call::Mseal(at(range)?),
        Op::Brk(target) => Call::Brk(break_wanted(*target, processes.break_of(pid))?),
        Op::Msync(range) => Call::Msync(at(range)?),
        Op::Mincore(range) => Call::Mincore(at(range)?),
        Op::Mbind { range, policy } => Call::Mbind {
            range: at(range)?,
            policy: *policy,
        },
        Op::VmaName { range, label } => Call::VmaName {
            range: at(range)?,
            label: label.clone(),
        },
        Op::UffdRegister { range, mode } => Call::UffdRegister {
            range: at(range)?,
            mode: *mode,
        },
        Op::UffdUnregister(range) => Call::UffdUnregister(at(range)?),
        Op::UffdWriteprotect { range, on } => Call::UffdWriteprotect {
            range: at(range)?,
            on: *on,
        },
        Op::UffdCopy { range, source, wp } => Call::UffdCopy {
            range: at(range)?,
            source: match source {
                CopySource::Memory(from) => UffdCopySource::Memory(at(from)?.addr),
                CopySource::Value(value) => UffdCopySource::Value(*value),
            },
            wp: *wp,
        },
        Op::UffdContinue { range, wp } => Call::UffdContinue {
            range: at(range)?,
            wp: *wp,
        },
        Op::UffdZeropage(range) => Call::UffdZeropage(at(range)?),
        Op::UffdPoison(range) => Call::UffdPoison(at(range)?),
        Op::UffdMove { range, from } => Call::UffdMove {
            range: at(range)?,
            from: at(from)?.addr,
        },
        Op::Access { kind, range, value } => Call::Access {
            range: touchable(at(range)?)?,
            access: match kind {
                AccessKind::Read => Access::Read,
                AccessKind::Write => Access::Write(*value),
                AccessKind::Exec => Access::Exec,
            },
        },
        Op::Fork { name, share } => match processes.find(name) {
            Some(_) => return Err(format!("a process `{name}` is running already")),
            None => Call::Fork {
                child: processes.new_pid(),
                share: *share,
            },
        },
        Op::Exit => Call::Exit,
        Op::Execve { stack } => Call::Execve { stack: *stack },
        Op::Khugepaged { passes } => Call::Khugepaged { passes: *passes },
        Op::Reclaim(range) => Call::Reclaim(at(range)?),
        Op::ReclaimPages(pages) => Call::ReclaimPages(*pages),
        Op::ClearRefs(value) => Call::ClearRefs(*value),
        Op::Truncate { file, size } => Call::Truncate {
            file: *file,
            size: *size,
        },
        Op::PunchHole { file, offset, len } => Call::PunchHole {
            file: *file,
            offset: *offset,
            len: *len,
        },
        Op::Inject { nth } => Call::InjectAllocFailure { nth: *nth },
        Op::Repeat { .. } | Op::Parallel { .. } | Op::Check(_) => {
            unreachable!("blocks are entered and checks are made, neither is a call")
        }
    })
}

/// Learns from an outcome: names of ranges, processes, the break.
pub(super) fn note_effects<'s>(
    step: &'s Step,
    pid: Pid,
    call: &Call,
    outcome: Outcome,
    processes: &mut Processes<'s>,
) {
    let Outcome::Value(value) = outcome else {
        return;
    };
    let addr = VirtAddr::new(value);
    match (&step.op, call) {
        (Op::Mmap(mmap), _) => {
            if let Some(name) = &mmap.name {
                processes.name_range(pid, name, addr, mmap.len);
            }
        }
        (Op::Mremap(mremap), _) => {
            if let Some(name) = &mremap.name {
                processes.name_range(pid, name, addr, mremap.new_len);
            }
        }
        (Op::Brk(_), _) => processes.set_break(pid, addr),
        (Op::Fork { name, share }, Call::Fork { child, .. }) => {
            processes.forked(pid, *child, name, *share);
        }
        (Op::Exit, _) => processes.remove(pid),
        (Op::Execve { .. }, _) => processes.executed(pid),
        _ => {}
    }
}

fn mmap_args(
    mmap: &MmapStep,
    at: impl Fn(&RangeExpr) -> Result<SyscallRange, String>,
) -> Result<MmapArgs, String> {
    Ok(MmapArgs {
        addr: start_of(mmap.addr.as_ref(), at)?,
        len: mmap.len,
        prot: mmap.prot,
        flags: mmap.flags,
        file: mmap
            .file
            .filter(|_| !mmap.flags.contains(MapFlags::ANONYMOUS)),
        offset: mmap.offset,
    })
}

fn mremap_args(
    mremap: &MremapStep,
    at: impl Fn(&RangeExpr) -> Result<SyscallRange, String>,
) -> Result<MremapArgs, String> {
    let old = at(&mremap.range)?;
    Ok(MremapArgs {
        addr: old.addr,
        old_len: old.len,
        new_len: mremap.new_len,
        flags: mremap.flags,
        new_addr: start_of(mremap.to.as_ref(), at)?,
    })
}

fn start_of(
    range: Option<&RangeExpr>,
    at: impl Fn(&RangeExpr) -> Result<SyscallRange, String>,
) -> Result<VirtAddr, String> {
    range.map_or(Ok(VirtAddr::ZERO), |range| Ok(at(range)?.addr))
}

fn break_wanted(target: BrkTarget, present: Option<VirtAddr>) -> Result<VirtAddr, String> {
    let moved = match target {
        BrkTarget::Absolute(addr) => return Ok(addr),
        BrkTarget::Up(bytes) => present.map(|at| at.checked_add(bytes)),
        BrkTarget::Down(bytes) => present.map(|at| at.checked_sub(bytes)),
    };
    moved
        .ok_or("the present break is not known")?
        .ok_or_else(|| "the break would leave the address space".to_owned())
}

/// A system call may be given a range that wraps, an access cannot be made there.
fn touchable(range: SyscallRange) -> Result<SyscallRange, String> {
    let last = range.len.get().saturating_sub(1);
    match range.addr.checked_add(Bytes(last)) {
        Some(_) => Ok(range),
        None => Err("the range ends outside the address space".to_owned()),
    }
}
