//! Commands: lists of operations that a worker runs in one go.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::layout::{kind, op, slot};
use super::region::{Region, Slot, futex_wait, futex_wake};

/// An operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op {
    kind: u64,
    number: u64,
    args: [u64; 6],
    child: u64,
}

impl Op {
    /// A system call.
    pub(crate) fn syscall<const N: usize>(number: i64, args: [u64; N]) -> Self {
        let mut six = [0; 6];
        six[..N].copy_from_slice(&args);
        Self {
            kind: kind::SYSCALL,
            number: number.cast_unsigned(),
            args: six,
            child: 0,
        }
    }

    /// `clone(2)`; the child goes on in another slot.
    pub(crate) fn clone(flags: u64, child: Slot) -> Self {
        Self {
            kind: kind::CLONE,
            child: child.address(),
            ..Self::syscall(libc::SYS_clone, [flags])
        }
    }

    /// Reads, writes (a byte, or without changing anything) or executes.
    pub(crate) const fn access(kind: u64, address: u64, pages: u64, byte: u64) -> Self {
        Self {
            kind,
            number: 0,
            args: [address, pages, byte, 0, 0, 0],
            child: 0,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// What a system call returned, or the last byte read.
    Result(i64),
    /// A signal ended it.
    Signal {
        /// Which.
        number: i32,
        /// `si_code`.
        code: i32,
        /// `si_addr`.
        address: u64,
    },
}

/// How long a worker may take, and what is done then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// Nothing in the command can take long.
    Normal,
    /// It may be restarted for ever by the kernel.
    MayLivelock,
    /// It may wait for a userfault that nobody handles.
    MayWaitForUserfault,
}

/// A command did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hang;

/// The kernel's number of a process.
pub(crate) type KernelPid = libc::pid_t;

/// After so long without an answer, even an innocent command has failed.
const LIMIT: Duration = Duration::from_secs(20);
/// System time that shows a livelock, in clock ticks (10 ms).
const LIVELOCK_TICKS: u64 = 20;

/// Runs a command in the worker of a slot.
pub(crate) fn run(
    region: &Region,
    at: Slot,
    pid: KernelPid,
    ops: &[Op],
    patience: Patience,
) -> Result<Vec<Done>, Hang> {
    assert!(ops.len() as u64 <= op::MAX);
    start(region, at, ops);
    wait(region, at, pid, patience)?;
    Ok((0..ops.len() as u64).map(|i| done(region, at, i)).collect())
}

const fn op_offset(at: Slot, index: u64) -> u64 {
    at.offset() + slot::OPS + index * op::SIZE
}

pub(super) fn start_only(region: &Region, at: Slot, ops: &[Op]) {
    start(region, at, ops);
}

fn start(region: &Region, at: Slot, ops: &[Op]) {
    for (i, op) in ops.iter().enumerate() {
        let mut bytes = [0; op::SIZE as usize];
        let mut put = |offset: u64, value: u64| {
            bytes[offset as usize..][..8].copy_from_slice(&value.to_ne_bytes());
        };
        put(op::KIND, op.kind);
        put(op::NUMBER, op.number);
        put(op::CHILD, op.child);
        for (n, &arg) in op.args.iter().enumerate() {
            put(op::ARGS + 8 * n as u64, arg);
        }
        region.write(op_offset(at, i as u64), &bytes);
    }
    let base = at.offset();
    region
        .atomic(base + slot::COUNT)
        .store(ops.len() as u32, Ordering::Relaxed);
    let go = region.atomic(base + slot::GO);
    go.fetch_add(1, Ordering::SeqCst);
    if region.atomic(base + slot::ASLEEP).load(Ordering::SeqCst) != 0 {
        futex_wake(go);
    }
}

fn done(region: &Region, at: Slot, index: u64) -> Done {
    let offset = op_offset(at, index);
    let number = region.atomic(offset + op::SIGNAL).load(Ordering::Relaxed);
    if number == 0 {
        return Done::Result(region.read_u64(offset + op::RESULT).cast_signed());
    }
    let code = region.atomic(offset + op::CODE).load(Ordering::Relaxed);
    Done::Signal {
        number: number.cast_signed(),
        code: code.cast_signed(),
        address: region.read_u64(offset + op::ADDRESS),
    }
}

fn wait(region: &Region, at: Slot, pid: KernelPid, patience: Patience) -> Result<(), Hang> {
    let go = region.atomic(at.offset() + slot::GO).load(Ordering::SeqCst);
    let done = region.atomic(at.offset() + slot::DONE);
    for _ in 0..60 {
        if done.load(Ordering::Acquire) == go {
            return Ok(());
        }
        std::hint::spin_loop();
    }
    let waiting = region.atomic(at.offset() + slot::WAITING);
    waiting.store(1, Ordering::SeqCst);
    let result = sleep(done, go, pid, patience);
    waiting.store(0, Ordering::SeqCst);
    result
}

fn sleep(
    done: &std::sync::atomic::AtomicU32,
    go: u32,
    pid: KernelPid,
    patience: Patience,
) -> Result<(), Hang> {
    let begin = Instant::now();
    let ticks = match patience {
        Patience::MayLivelock => system_ticks(pid),
        Patience::Normal | Patience::MayWaitForUserfault => 0,
    };
    let mut interrupted = false;
    loop {
        let value = done.load(Ordering::SeqCst);
        if value == go {
            return Ok(());
        }
        futex_wait(done, value, 20);
        if done.load(Ordering::SeqCst) == go {
            return Ok(());
        }
        if begin.elapsed() < Duration::from_millis(15) {
            continue;
        }
        let stuck = match patience {
            Patience::Normal => false,
            Patience::MayLivelock => system_ticks(pid) > ticks + LIVELOCK_TICKS,
            Patience::MayWaitForUserfault => state(pid) == Some('S'),
        };
        if stuck && !interrupted {
            // SAFETY: the worker is a child of ours that is not reaped yet.
            unsafe { libc::kill(pid, libc::SIGUSR1) };
            interrupted = true;
        }
        if begin.elapsed() > LIMIT || matches!(state(pid), Some('Z') | None) {
            return Err(Hang);
        }
    }
}

/// The fields of `/proc/PID/stat` from the state on.
fn stat(pid: KernelPid) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

fn state(pid: KernelPid) -> Option<char> {
    stat(pid)?.chars().next()
}

fn system_ticks(pid: KernelPid) -> u64 {
    stat(pid)
        .and_then(|text| text.split(' ').nth(12)?.parse().ok())
        .unwrap_or(0)
}
