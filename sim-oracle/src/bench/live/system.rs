//! This process as a target: calls are system calls.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use sim_core::{
    Access, BackendError, Call, Errno, Outcome, PAGE_SIZE, Setup, SyscallRange, VirtAddr,
};

use super::super::work::lower_break;
use super::super::{Step, Target};

/// This process.
#[derive(Debug)]
pub struct System {
    /// The process that the last fork made.
    child: AtomicI32,
    /// Where the break was before the round.
    heap: AtomicU64,
}

impl System {
    pub(super) fn new() -> Self {
        let system = Self {
            child: AtomicI32::new(0),
            heap: AtomicU64::new(0),
        };
        system.begin();
        system
    }

    fn call(&self, call: &Call) -> Result<Outcome, BackendError> {
        let result = match call {
            Call::Mmap(args) => syscall(
                libc::SYS_mmap,
                [
                    args.addr.get(),
                    args.len.get(),
                    u64::from(args.prot.bits()),
                    u64::from(args.flags.bits()),
                    u64::MAX,
                    args.offset,
                ],
            ),
            Call::Munmap(range) => on(libc::SYS_munmap, *range, 0),
            Call::Mprotect { range, prot, .. } => {
                on(libc::SYS_mprotect, *range, u64::from(prot.bits()))
            }
            Call::Madvise { range, advice } => on(
                libc::SYS_madvise,
                *range,
                u64::from(advice.number().cast_unsigned()),
            ),
            Call::Brk(to) => self.brk(*to),
            Call::Access {
                range,
                access: Access::Write(value),
            } => return Ok(write(*range, value.unwrap_or(0))),
            Call::Fork { share: false, .. } => return Ok(self.fork()),
            Call::Exit => return Ok(self.end_child()),
            other => {
                let why = format!("{} is in no live workload", other.op());
                return Err(BackendError::NotSupported(why));
            }
        };
        Ok(outcome(result))
    }

    /// Workloads take the break where the simulator has it; here it is relative to where it was,
    /// since the allocator uses the heap too (between rounds).
    fn brk(&self, to: VirtAddr) -> i64 {
        let up = to.get() - lower_break().get();
        let wanted = self.heap.load(Relaxed) + up;
        let got = syscall(libc::SYS_brk, [wanted, 0, 0, 0, 0, 0]);
        if got.cast_unsigned() == wanted {
            got
        } else {
            -i64::from(libc::ENOMEM)
        }
    }

    fn fork(&self) -> Outcome {
        let flags = u64::from(libc::SIGCHLD.cast_unsigned());
        let child = syscall(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
        if child == 0 {
            loop {
                // The child is killed when its time was taken.
                syscall(libc::SYS_pause, [0; 6]);
            }
        }
        self.child.store(child as i32, Relaxed);
        outcome(child)
    }

    fn end_child(&self) -> Outcome {
        let child = self.child.swap(0, Relaxed);
        if child > 0 {
            // SAFETY: a child of this process that nobody else waits for.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
        Outcome::OK
    }
}

/// A system call by number; what the kernel returned.
fn syscall(number: i64, args: [u64; 6]) -> i64 {
    // SAFETY: workloads only name memory in an arena that nothing else in this process uses, and
    // a break that the allocator does not know of is lowered before the allocator runs again.
    let result =
        unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) };
    if result == -1 {
        // SAFETY: the location of this thread's errno is always valid.
        return -i64::from(unsafe { *libc::__errno_location() });
    }
    result
}

fn on(number: i64, range: SyscallRange, third: u64) -> i64 {
    let args = [range.addr.get(), range.len.get(), third, 0, 0, 0];
    syscall(number, args)
}

fn write(range: SyscallRange, value: u8) -> Outcome {
    let (start, pages) = (range.addr.get(), range.len.get() / PAGE_SIZE);
    for page in 0..pages {
        let address = start + page * PAGE_SIZE;
        // SAFETY: workloads only write to memory that they have mapped writable, in their arena.
        unsafe {
            std::ptr::with_exposed_provenance_mut::<u8>(address as usize).write_volatile(value);
        };
    }
    Outcome::OK
}

fn outcome(result: i64) -> Outcome {
    if (-4095..0).contains(&result) {
        return Outcome::Errno(Errno::from_number(-result as i32).unwrap_or(Errno::EINVAL));
    }
    Outcome::Value(result.cast_unsigned())
}

impl Target for System {
    fn fresh(&mut self, _setup: &Setup) -> Result<(), BackendError> {
        let why = "a process that is under way is not made anew".to_owned();
        Err(BackendError::NotSupported(why))
    }

    fn set_concurrent(&self, _concurrent: bool) {}

    fn record_events(&self, _on: bool) -> Result<(), BackendError> {
        Ok(())
    }

    fn begin(&self) {
        let now = syscall(libc::SYS_brk, [0; 6]).cast_unsigned();
        self.heap.store(now, Relaxed);
    }

    fn run_beside(&self, step: &Step) -> Result<Outcome, BackendError> {
        match step {
            Step::Call(_, call) => self.call(call),
            Step::PlaceBrk(..) => Ok(Outcome::OK),
        }
    }

    fn find_vmas(&self, _addresses: &[VirtAddr]) -> Result<usize, BackendError> {
        let why = "no system call does nothing but look up a VMA".to_owned();
        Err(BackendError::NotSupported(why))
    }

    fn vmas(&self) -> Option<usize> {
        None
    }
}
