//! Workers: real processes that do as they are told.
//!
//! ```text
//!   controlling process                     worker (one per simulated process)
//!   ┌─────────────────┐   shared memory    ┌──────────────────────────────────┐
//!   │ Region ─────────┼──▶ slot 0, 1, … ◀──┼── one page of code, the region,   │
//!   │ command::run    │   (futexes)        │   and nothing else               │
//!   └─────────────────┘                    └──────────────────────────────────┘
//! ```
//!
//! The first worker is started by executing a made-up ELF image ([`image`]) without address-space
//! randomisation and stripped of everything that the kernel puts into a new process. It is the
//! template: the run's first process, and any later one that a run starts afresh, is a fork of it.

pub(crate) mod command;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod region;
mod spawn;

use std::io;

use command::{Done, Hang, KernelPid, Op, Patience};
use layout::slot;
use region::{Region, Slot};
pub(crate) use spawn::{execve, spawn};

/// `mseal(2)`.
pub(crate) const SYS_MSEAL: i64 = 462;

/// A worker process. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    pid: KernelPid,
    slot: Slot,
    reaped: bool,
}

impl Worker {
    /// Its number in the kernel.
    pub(crate) const fn pid(&self) -> KernelPid {
        self.pid
    }

    /// Its slot.
    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The address, in the worker, of its room for arguments.
    pub(crate) const fn data_address(&self) -> u64 {
        self.slot.address() + slot::DATA
    }

    /// Puts arguments in its room for them.
    pub(crate) fn put(&self, region: &Region, at: u64, bytes: &[u8]) {
        assert!(slot::DATA + at + bytes.len() as u64 <= slot::DATA_END);
        region.write(self.slot.offset() + slot::DATA + at, bytes);
    }

    /// Runs a command in it.
    pub(crate) fn run(
        &self,
        region: &Region,
        ops: &[Op],
        patience: Patience,
    ) -> Result<Vec<Done>, Hang> {
        command::run(region, self.slot, self.pid, ops, patience)
    }

    /// Makes system calls that must not fail: preparation, not what is tested.
    pub(crate) fn prepare(&self, region: &Region, ops: &[Op]) -> io::Result<Vec<u64>> {
        self.run(region, ops, Patience::Normal)
            .map_err(|Hang| io::Error::other("a worker did not answer"))?
            .into_iter()
            .map(|done| match done {
                Done::Result(value @ 0..) => Ok(value.cast_unsigned()),
                Done::Result(error @ ..0) => Err(io::Error::from_raw_os_error(-error as i32)),
                Done::Signal { number, .. } => {
                    Err(io::Error::other(format!("a worker got signal {number}")))
                }
            })
            .collect()
    }

    /// Forks it; the child lives in `slot`.
    pub(crate) fn fork(
        &self,
        region: &Region,
        slot: Slot,
        share: bool,
    ) -> Result<Result<Self, i32>, Hang> {
        region::clear(region, slot);
        // Descriptors are shared as threads share them: what one opens closes with the last one.
        let shared = if share {
            libc::CLONE_VM | libc::CLONE_FILES
        } else {
            0
        };
        let flags = libc::CLONE_PARENT | libc::SIGCHLD | shared;
        let op = Op::clone(u64::from(flags.cast_unsigned()), slot);
        let done = self.run(region, &[op], Patience::Normal)?;
        match done[0] {
            Done::Result(pid @ 1..) => Ok(Ok(Self {
                pid: pid as KernelPid,
                slot,
                reaped: false,
            })),
            Done::Result(error) => Ok(Err(-error as i32)),
            Done::Signal { .. } => Err(Hang),
        }
    }

    /// Operations that a worker runs first: it gets a stack for signals.
    pub(crate) fn signal_stack(&self, region: &Region) -> Op {
        let base = self.slot.address();
        let size = layout::SLOT_SIZE - slot::SIGNAL_STACK;
        self.put_numbers(region, 0, &[base + slot::SIGNAL_STACK, 0, size]);
        Op::syscall(libc::SYS_sigaltstack, [self.data_address(), 0])
    }

    /// Puts numbers in its room for arguments.
    pub(crate) fn put_numbers(&self, region: &Region, at: u64, numbers: &[u64]) {
        let bytes: Vec<_> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
        self.put(region, at, &bytes);
    }

    /// Lets it exit and waits until its address space is gone.
    pub(crate) fn exit(mut self, region: &Region) {
        command::start_only(region, self.slot, &[Op::syscall(libc::SYS_exit_group, [0])]);
        self.reap();
    }

    fn reap(&mut self) {
        if !self.reaped {
            let mut status = 0;
            // SAFETY: the worker is a child of ours; the status is a local variable.
            unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL) };
            self.reaped = true;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: the worker is a child of ours that is not reaped yet, so the number is its.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.reap();
        }
    }
}
