//! userfaultfd.

use sim_core::{
    BackendError, Call, Outcome, PAGE_SIZE, Pid, SyscallRange, UffdCopySource, UffdFeatures,
};

use super::LiveKernel;
use super::call::not_supported;
use super::error::{LiveError, broken};
use super::worker::command::Op;
use super::worker::layout::{REGION, SCRATCH, SCRATCH_SIZE};

const UFFD_USER_MODE_ONLY: u64 = 1;
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_UNREGISTER: u64 = 0x8010_aa01;
const UFFDIO_COPY: u64 = 0xc028_aa03;
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;
const UFFDIO_MOVE: u64 = 0xc028_aa05;
const UFFDIO_WRITEPROTECT: u64 = 0xc018_aa06;
const UFFDIO_CONTINUE: u64 = 0xc020_aa07;
const UFFDIO_POISON: u64 = 0xc020_aa08;

const UFFDIO_COPY_MODE_WP: u64 = 1 << 1;
const UFFDIO_CONTINUE_MODE_WP: u64 = 1 << 1;

/// Events would have to be read by somebody while the calls that cause them wait.
pub(super) fn check_features(features: UffdFeatures) -> Result<(), LiveError> {
    let events = UffdFeatures::EVENT_FORK
        | UffdFeatures::EVENT_REMAP
        | UffdFeatures::EVENT_REMOVE
        | UffdFeatures::EVENT_UNMAP;
    if features.intersects(events) {
        return Err(LiveError::NotPossible(
            "nobody reads the events of a live userfaultfd".to_owned(),
        ));
    }
    Ok(())
}

impl LiveKernel {
    pub(super) fn uffd(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let fd = self.userfaultfd(pid)?;
        let (request, numbers) = self.request(call)?;
        let worker = self.process(pid)?.worker();
        worker.put_numbers(&self.region, 0, &numbers);
        let op = Op::syscall(libc::SYS_ioctl, [fd, request, worker.data_address()]);
        self.zero(pid, op)
    }

    /// The request and the structure it takes.
    fn request(&self, call: &Call) -> Result<(u64, Vec<u64>), BackendError> {
        let with = |range: &SyscallRange, more: &[u64]| {
            let mut numbers = vec![range.addr.get(), range.len.get()];
            numbers.extend(more);
            numbers
        };
        Ok(match call {
            Call::UffdRegister { range, mode } => {
                (UFFDIO_REGISTER, with(range, &[u64::from(mode.bits()), 0]))
            }
            Call::UffdUnregister(range) => (UFFDIO_UNREGISTER, with(range, &[])),
            Call::UffdWriteprotect { range, on } => {
                (UFFDIO_WRITEPROTECT, with(range, &[u64::from(*on)]))
            }
            Call::UffdZeropage(range) => (UFFDIO_ZEROPAGE, with(range, &[0, 0])),
            Call::UffdPoison(range) => (UFFDIO_POISON, with(range, &[0, 0])),
            Call::UffdMove { range, from } => (
                UFFDIO_MOVE,
                vec![range.addr.get(), from.get(), range.len.get(), 0, 0],
            ),
            Call::UffdCopy { range, source, wp } => {
                let from = self.copy_source(range, *source)?;
                let mode = if *wp { UFFDIO_COPY_MODE_WP } else { 0 };
                (
                    UFFDIO_COPY,
                    vec![range.addr.get(), from, range.len.get(), mode, 0],
                )
            }
            Call::UffdContinue { range, wp } => {
                let mode = if *wp { UFFDIO_CONTINUE_MODE_WP } else { 0 };
                (UFFDIO_CONTINUE, with(range, &[mode, 0]))
            }
            _ => unreachable!("only calls of userfaultfd come here"),
        })
    }

    fn copy_source(
        &self,
        range: &SyscallRange,
        source: UffdCopySource,
    ) -> Result<u64, BackendError> {
        match source {
            UffdCopySource::Memory(from) => Ok(from.get()),
            UffdCopySource::Value(byte) => {
                let len = range.len.get();
                if len.is_multiple_of(PAGE_SIZE) && len > SCRATCH_SIZE {
                    return not_supported("copies of more than 256 KiB of one byte at a time");
                }
                let offset = SCRATCH - REGION;
                self.region.fill(offset, byte, len.min(SCRATCH_SIZE));
                Ok(SCRATCH)
            }
        }
    }

    /// The process's userfaultfd, opened on first use.
    fn userfaultfd(&mut self, pid: Pid) -> Result<u64, BackendError> {
        let process = self.process(pid)?;
        if let Some(fd) = process.uffd {
            return Ok(fd);
        }
        let worker = process.worker();
        let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as u64;
        let open = Op::syscall(libc::SYS_userfaultfd, [flags]);
        let opened = worker.prepare(&self.region, &[open]).or_else(|error| {
            // As far as it makes no difference, a userfaultfd for faults of user mode does.
            let same = self.setup.uffd.contains(UffdFeatures::SIGBUS);
            if !same || error.raw_os_error() != Some(libc::EPERM) {
                return Err(error);
            }
            let open = Op::syscall(libc::SYS_userfaultfd, [flags | UFFD_USER_MODE_ONLY]);
            worker.prepare(&self.region, &[open])
        });
        let fd = match opened {
            Ok(values) => values[0],
            Err(error) => return not_supported(&format!("userfaultfd: {error}")),
        };
        let features = u64::from(self.setup.uffd.bits());
        worker.put_numbers(&self.region, 0, &[0xaa, features, 0]);
        let api = Op::syscall(libc::SYS_ioctl, [fd, UFFDIO_API, worker.data_address()]);
        worker
            .prepare(&self.region, &[api])
            .map_err(|e| broken(&e))?;
        let space = process.space();
        for process in self.processes.values_mut() {
            if process.space() == space {
                process.uffd = Some(fd);
            }
        }
        Ok(fd)
    }
}
