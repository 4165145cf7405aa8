//! Calls as system calls.

use sim_core::{
    Advice, BackendError, Call, Errno, FileId, MlockallFlags, MmapArgs, Outcome, PAGE_SIZE, Pid,
    SyscallRange,
};

use super::error::broken;
use super::process::Process;
use super::worker::Worker;
use super::worker::command::{Done, Hang, Op, Patience};
use super::worker::layout::{SCRATCH, SCRATCH_SIZE, kind};
use super::worker::region::Region;
use super::{LiveKernel, limits, policy, worker};

impl LiveKernel {
    pub(super) fn dispatch(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        match call {
            Call::Mmap(args) => self.mmap(pid, args),
            Call::Munmap(range) => self.ranged(pid, libc::SYS_munmap, *range, &[]),
            Call::Mprotect { range, prot, pkey } => {
                let prot = u64::from(prot.bits());
                match pkey {
                    None => self.ranged(pid, libc::SYS_mprotect, *range, &[prot]),
                    Some(key) => {
                        let key = i64::from(*key).cast_unsigned();
                        self.ranged(pid, libc::SYS_pkey_mprotect, *range, &[prot, key])
                    }
                }
            }
            Call::Mremap(args) => self.address(
                pid,
                Op::syscall(
                    libc::SYS_mremap,
                    [
                        args.addr.get(),
                        args.old_len.get(),
                        args.new_len.get(),
                        u64::from(args.flags.bits()),
                        args.new_addr.get(),
                    ],
                ),
            ),
            Call::Madvise { range, advice } => self.madvise(pid, *range, *advice),
            Call::Reclaim(range) => self.madvise(pid, *range, Advice::Pageout),
            Call::Mlock { range, onfault } => {
                if *onfault {
                    self.ranged(pid, libc::SYS_mlock2, *range, &[1])
                } else {
                    self.ranged(pid, libc::SYS_mlock, *range, &[])
                }
            }
            Call::Munlock(range) => self.ranged(pid, libc::SYS_munlock, *range, &[]),
            Call::Mlockall(flags) => self.mlockall(pid, *flags),
            Call::Munlockall => self.zero(pid, Op::syscall(libc::SYS_munlockall, [])),
            Call::Mseal(range) => self.ranged(pid, worker::SYS_MSEAL, *range, &[0]),
            Call::Brk(to) => self.address(pid, Op::syscall(libc::SYS_brk, [to.get()])),
            Call::Msync(range) => self.ranged(pid, libc::SYS_msync, *range, &[4]),
            Call::Mincore(range) => {
                if (SCRATCH_SIZE..u64::MAX / PAGE_SIZE).contains(&range.len.pages()) {
                    return not_supported("mincore of more than 1 GiB at a time");
                }
                self.ranged(pid, libc::SYS_mincore, *range, &[SCRATCH])
            }
            Call::Mbind { range, policy } => self.mbind(pid, *range, *policy),
            Call::VmaName { range, label } => self.vma_name(pid, *range, label.as_deref()),
            Call::UffdRegister { .. }
            | Call::UffdUnregister(_)
            | Call::UffdWriteprotect { .. }
            | Call::UffdCopy { .. }
            | Call::UffdContinue { .. }
            | Call::UffdZeropage(_)
            | Call::UffdPoison(_)
            | Call::UffdMove { .. } => self.uffd(pid, call),
            Call::Access { range, access } => self.access(pid, *range, *access),
            Call::Fork { child, share } => self.fork(pid, *child, *share),
            Call::Exit => Ok(self.exit(pid)),
            Call::Execve { stack: None } => self.execve(pid),
            Call::Execve { stack: Some(_) } => Err(BackendError::NotSupported(
                "the stack of a new program is the worker's own".to_owned(),
            )),
            Call::Khugepaged { passes } => self.khugepaged(*passes),
            Call::ReclaimPages(_) => not_supported("which pages a kernel reclaims is not fixed"),
            Call::ClearRefs(value) => self.clear_refs(pid, *value),
            Call::Truncate { file, size } => self.on_file(pid, *file, |fd| {
                Op::syscall(libc::SYS_ftruncate, [fd, size.get()])
            }),
            Call::PunchHole { file, offset, len } => self.on_file(pid, *file, |fd| {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                Op::syscall(
                    libc::SYS_fallocate,
                    [fd, u64::from(mode.cast_unsigned()), *offset, len.get()],
                )
            }),
            Call::InjectAllocFailure { .. } => {
                not_supported("allocations of a real kernel cannot be made to fail one by one")
            }
        }
    }

    /// Runs one operation in a process.
    pub(super) fn run_one(
        &mut self,
        pid: Pid,
        op: Op,
        patience: Patience,
    ) -> Result<Done, BackendError> {
        let worker = self.process(pid)?.worker();
        match worker.run(&self.region, &[op], patience) {
            Ok(done) => Ok(done[0]),
            Err(Hang) => Err(BackendError::Broken(
                "a worker died or did not come back".to_owned(),
            )),
        }
    }

    /// How long calls of a process may take.
    pub(super) fn patience(&self, pid: Pid) -> Result<Patience, BackendError> {
        let waits = self.process(pid)?.uffd.is_some()
            && !self.setup.uffd.contains(sim_core::UffdFeatures::SIGBUS);
        Ok(if waits {
            Patience::MayWaitForUserfault
        } else {
            Patience::Normal
        })
    }

    /// A system call whose value is an address.
    fn address(&mut self, pid: Pid, op: Op) -> Result<Outcome, BackendError> {
        let patience = self.patience(pid)?;
        outcome(self.run_one(pid, op, patience)?)
    }

    /// A system call whose value is 0, whatever it returns.
    pub(super) fn zero(&mut self, pid: Pid, op: Op) -> Result<Outcome, BackendError> {
        Ok(match self.address(pid, op)? {
            Outcome::Value(_) => Outcome::OK,
            other => other,
        })
    }

    /// A system call that takes an address, a length and more.
    fn ranged(
        &mut self,
        pid: Pid,
        number: i64,
        range: SyscallRange,
        more: &[u64],
    ) -> Result<Outcome, BackendError> {
        let mut args = [0; 6];
        args[0] = range.addr.get();
        args[1] = range.len.get();
        args[2..2 + more.len()].copy_from_slice(more);
        self.zero(pid, Op::syscall(number, args))
    }

    fn mmap(&mut self, pid: Pid, args: &MmapArgs) -> Result<Outcome, BackendError> {
        if let Some(file) = args.file {
            self.files.note_use(file, args);
        }
        let op = Op::syscall(
            libc::SYS_mmap,
            [
                args.addr.get(),
                args.len.get(),
                u64::from(args.prot.bits()),
                u64::from(args.flags.bits()),
                self.process(pid)?.descriptor(args.file),
                args.offset,
            ],
        );
        self.address(pid, op)
    }

    fn madvise(
        &mut self,
        pid: Pid,
        range: SyscallRange,
        advice: Advice,
    ) -> Result<Outcome, BackendError> {
        self.drain.note(advice);
        let number = i64::from(advice.number()).cast_unsigned();
        let op = Op::syscall(
            libc::SYS_madvise,
            [range.addr.get(), range.len.get(), number],
        );
        if advice != Advice::GuardInstall {
            return self.zero(pid, op);
        }
        match self.run_one(pid, op, Patience::MayLivelock)? {
            Done::Signal { number, .. } if number == libc::SIGUSR1 => Ok(Outcome::Livelock),
            done => outcome(done),
        }
    }

    /// The worker's own memory is neither counted nor left locked.
    fn mlockall(&mut self, pid: Pid, flags: MlockallFlags) -> Result<Outcome, BackendError> {
        let op = Op::syscall(libc::SYS_mlockall, [u64::from(flags.bits())]);
        if !flags.contains(MlockallFlags::CURRENT) {
            return self.zero(pid, op);
        }
        let limits = self.setup.limits.clone();
        let worker = self.process(pid)?.worker();
        if limits::is_padded(&limits) {
            return not_supported("mlockall would count the padding VMAs of a low max_map_count");
        }
        limits::set_memlock(worker, &limits, true).map_err(|e| broken(&e))?;
        let result = if limits::lacks_room(worker, &limits).map_err(|e| broken(&e))? {
            not_supported("the hard limit of locked memory leaves no room for the worker's own")
        } else {
            self.zero(pid, op)
        };
        let worker = self.process(pid)?.worker();
        limits::unlock_own(worker, &self.region).map_err(|e| broken(&e))?;
        limits::set_memlock(worker, &limits, false).map_err(|e| broken(&e))?;
        result
    }

    fn mbind(
        &mut self,
        pid: Pid,
        range: SyscallRange,
        policy: sim_core::Policy,
    ) -> Result<Outcome, BackendError> {
        let (mode, nodes) = policy::numbers(policy);
        let worker = self.process(pid)?.worker();
        let (mask, bits) = match nodes {
            Some(nodes) => {
                worker.put_numbers(&self.region, 0, &[nodes]);
                (worker.data_address(), 65)
            }
            None => (0, 0),
        };
        self.ranged(pid, libc::SYS_mbind, range, &[mode, mask, bits, 0])
    }

    fn vma_name(
        &mut self,
        pid: Pid,
        range: SyscallRange,
        label: Option<&str>,
    ) -> Result<Outcome, BackendError> {
        if !self.names_supported {
            return not_supported("this kernel is built without CONFIG_ANON_VMA_NAME");
        }
        let worker = self.process(pid)?.worker();
        let name = match label {
            Some(label) => {
                let mut bytes = label.as_bytes().to_vec();
                bytes.truncate(200);
                bytes.push(0);
                worker.put(&self.region, 0, &bytes);
                worker.data_address()
            }
            None => 0,
        };
        let (addr, len) = (range.addr.get(), range.len.get());
        let what = [libc::PR_SET_VMA as u64, 0, addr, len, name];
        self.zero(pid, Op::syscall(libc::SYS_prctl, what))
    }

    fn fork(&mut self, pid: Pid, child: Pid, share: bool) -> Result<Outcome, BackendError> {
        if self.processes.contains_key(&child) {
            return Err(BackendError::Broken(format!("process {child} exists")));
        }
        let Some(slot) = self.free_slot() else {
            return not_supported("too many processes at a time");
        };
        let new_space = self.new_space();
        let parent = self.process(pid)?;
        let space = if share { parent.space() } else { new_space };
        let forked = parent
            .worker()
            .fork(&self.region, slot, share)
            .map_err(|Hang| BackendError::Broken("fork did not come back".to_owned()))?;
        let worker = match forked {
            Ok(worker) => worker,
            Err(errno) => return outcome(Done::Result(-i64::from(errno))),
        };
        let process = parent.child(worker, space);
        process.begin(&self.region).map_err(|e| broken(&e))?;
        if let Some(uffd) = parent.uffd.filter(|_| !share) {
            // The inherited userfaultfd is the parent's.
            let close = Op::syscall(libc::SYS_close, [uffd]);
            let closed = process.worker().prepare(&self.region, &[close]);
            closed.map_err(|e| broken(&e))?;
        }
        self.processes.insert(child, process);
        Ok(Outcome::OK)
    }

    fn exit(&mut self, pid: Pid) -> Outcome {
        let process = self.processes.remove(&pid);
        let worker = process.map(Process::into_worker);
        if let Some(worker) = worker {
            worker.exit(&self.region);
        }
        Outcome::OK
    }

    fn execve(&mut self, pid: Pid) -> Result<Outcome, BackendError> {
        let space = self.new_space();
        let process = self
            .processes
            .get_mut(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))?;
        process.forget_space(space);
        let worker = process.worker();
        worker::execve(worker, &self.region, &self.image)
            .and_then(|()| limits::pad(worker, &self.region, &self.setup.limits))
            .and_then(|()| process.begin(&self.region))
            .map_err(|e| broken(&e))?;
        Ok(Outcome::OK)
    }

    fn clear_refs(&mut self, pid: Pid, value: u8) -> Result<Outcome, BackendError> {
        let worker = self.process(pid)?.worker();
        let path = format!("/proc/{}/clear_refs", worker.pid());
        match std::fs::write(path, value.to_string()) {
            Ok(()) => {
                flush_translations(worker, &self.region).map_err(|e| broken(&e))?;
                Ok(Outcome::OK)
            }
            Err(error) => match error.raw_os_error() {
                Some(number) => outcome(Done::Result(-i64::from(number))),
                None => Err(broken(&error)),
            },
        }
    }

    fn on_file(
        &mut self,
        pid: Pid,
        file: FileId,
        op: impl FnOnce(u64) -> Op,
    ) -> Result<Outcome, BackendError> {
        self.files.note_change(file);
        let op = op(self.process(pid)?.descriptor(Some(file)));
        self.zero(pid, op)
    }

    fn khugepaged(&mut self, passes: u32) -> Result<Outcome, BackendError> {
        super::settings::khugepaged_passes(passes)?;
        self.drain.force();
        Ok(Outcome::OK)
    }
}

/// Makes the CPU forget its translations of a process.
///
/// The kernel does not do it after it has cleared accessed bits, and a translation that the CPU
/// remembers does not set them again: whether an access shows would be left to chance. A change of
/// protection of more pages than are flushed singly, in the worker's own memory, has them all
/// flushed (`arch/x86/mm/tlb.c: flush_tlb_mm_range()`).
fn flush_translations(worker: &Worker, region: &Region) -> std::io::Result<()> {
    let protect = |prot| Op::syscall(libc::SYS_mprotect, [SCRATCH, SCRATCH_SIZE, prot]);
    let touch = Op::access(kind::READ, SCRATCH, SCRATCH_SIZE / PAGE_SIZE, 0);
    let ops = [touch, protect(1), protect(3)];
    worker.prepare(region, &ops).map(drop)
}

pub(super) fn not_supported<T>(why: &str) -> Result<T, BackendError> {
    Err(BackendError::NotSupported(why.to_owned()))
}

/// What a system call returned.
pub(super) fn outcome(done: Done) -> Result<Outcome, BackendError> {
    match done {
        Done::Result(value @ -4095..=-1) => Errno::from_number(-value as i32)
            .map(Outcome::Errno)
            .ok_or_else(|| BackendError::Broken(format!("unknown error {}", -value))),
        Done::Result(value) => Ok(Outcome::Value(value.cast_unsigned())),
        Done::Signal { number, .. } if number == libc::SIGUSR1 => Ok(Outcome::UffdWait),
        Done::Signal { number, .. } => Err(BackendError::Broken(format!(
            "a system call was ended by signal {number}"
        ))),
    }
}
