//! Reads, writes and instruction fetches.

use sim_core::{Access, BackendError, Outcome, PAGE_SIZE, Pid, Signal, SyscallRange};

use super::LiveKernel;
use super::worker::command::{Done, Op};
use super::worker::layout::kind;

/// `si_code` of signals that the kernel raises without an address.
const SI_KERNEL: i32 = 0x80;

impl LiveKernel {
    pub(super) fn access(
        &mut self,
        pid: Pid,
        range: SyscallRange,
        access: Access,
    ) -> Result<Outcome, BackendError> {
        let start = range.addr.page_down().get();
        let end = range.addr.get().saturating_add(range.len.get());
        let pages = if range.len.get() == 0 {
            0
        } else {
            (end - start).div_ceil(PAGE_SIZE)
        };
        match access {
            Access::Read => self.touch(pid, Op::access(kind::READ, start, pages, 0)),
            Access::Write(None) => self.touch(pid, Op::access(kind::TOUCH, start, pages, 0)),
            Access::Write(Some(value)) => {
                let op = Op::access(kind::WRITE, start, pages, u64::from(value));
                self.touch(pid, op)
            }
            Access::Exec => self.fetch(pid, start, pages),
        }
    }

    fn touch(&mut self, pid: Pid, op: Op) -> Result<Outcome, BackendError> {
        match self.run_one(pid, op, self.patience(pid)?)? {
            Done::Result(value) => Ok(Outcome::Value(value.cast_unsigned())),
            Done::Signal { number, .. } => signal(number),
        }
    }

    fn fetch(&mut self, pid: Pid, start: u64, pages: u64) -> Result<Outcome, BackendError> {
        for page in 0..pages {
            let target = start + page * PAGE_SIZE;
            let op = Op::access(kind::EXEC, target, 1, 0);
            match self.run_one(pid, op, self.patience(pid)?)? {
                // A jump to where no address can be faults before the fetch.
                Done::Signal {
                    number: libc::SIGSEGV,
                    code: SI_KERNEL,
                    ..
                } if !is_canonical(target) => return signal(libc::SIGSEGV),
                // Only a fault of the fetch itself has the page's address (an instruction that is
                // none raises another signal).
                Done::Signal {
                    number,
                    code,
                    address,
                } if matches!(number, libc::SIGSEGV | libc::SIGBUS)
                    && address == target
                    && code != SI_KERNEL =>
                {
                    return signal(number);
                }
                Done::Signal { number, .. } if number == libc::SIGUSR1 => {
                    return Ok(Outcome::UffdWait);
                }
                Done::Signal { .. } => {}
                Done::Result(_) => {
                    return Err(BackendError::Broken(
                        "an instruction ran without an end".to_owned(),
                    ));
                }
            }
        }
        Ok(Outcome::OK)
    }
}

/// Are bits 47 to 63 all the same (4-level tables)?
const fn is_canonical(address: u64) -> bool {
    matches!(address.cast_signed() >> 47, 0 | -1)
}

fn signal(number: i32) -> Result<Outcome, BackendError> {
    if number == libc::SIGUSR1 {
        return Ok(Outcome::UffdWait);
    }
    Signal::from_number(number)
        .map(Outcome::Signal)
        .ok_or_else(|| BackendError::Broken(format!("an access raised signal {number}")))
}
