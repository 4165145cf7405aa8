//! Limits of processes.

use std::{io, ptr};

use sim_core::{Bytes, Limits, PAGE_SIZE};

use super::error::LiveError;
use super::powers::Powers;
use super::settings::LOW_MAP_COUNT;
use super::swap;
use super::worker::Worker;
use super::worker::command::Op;
use super::worker::layout::{PADDING, REGION, REGION_SIZE, TEXT};
use super::worker::region::Region;

/// VMAs that every worker has of its own, padding apart.
const OWN_VMAS: u64 = 2;

/// Operations in one command.
const OPS_AT_A_TIME: usize = 64;

/// What a live kernel cannot be given.
pub(super) fn check(limits: &Limits) -> Result<(), LiveError> {
    if limits.stack_guard_gap != 256 {
        return Err(LiveError::NotPossible(
            "stack_guard_gap cannot be changed while the kernel runs".to_owned(),
        ));
    }
    if limits.swap == Bytes(0) && swap::space() > Bytes(0) {
        return Err(LiveError::NotPossible(
            "the machine has swap, and the run is to have none".to_owned(),
        ));
    }
    Ok(())
}

/// How many padding VMAs bring the number of VMAs near a low limit.
///
/// `vm.max_map_count` holds for the whole machine. Rather than set it to a few, which would stop
/// others, it is set to [`LOW_MAP_COUNT`] and workers have so many VMAs more.
fn padding(limits: &Limits) -> u64 {
    let wanted = u64::from(limits.max_map_count);
    if wanted >= LOW_MAP_COUNT {
        0
    } else {
        LOW_MAP_COUNT - wanted - OWN_VMAS
    }
}

/// Have workers padding VMAs?
pub(super) fn is_padded(limits: &Limits) -> bool {
    padding(limits) > 0
}

/// Pages that a worker has of its own.
fn own_pages(limits: &Limits) -> u64 {
    1 + REGION_SIZE / PAGE_SIZE + padding(limits)
}

/// Makes the padding VMAs of a worker: single pages of alternating protection.
pub(super) fn pad(worker: &Worker, region: &Region, limits: &Limits) -> io::Result<()> {
    let count = padding(limits);
    if count == 0 {
        return Ok(());
    }
    assert!(PADDING + count * PAGE_SIZE <= TEXT);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let map = Op::syscall(
        libc::SYS_mmap,
        [
            PADDING,
            count * PAGE_SIZE,
            0,
            u64::from(flags.cast_unsigned()),
            u64::MAX,
            0,
        ],
    );
    worker.prepare(region, &[map])?;
    let protects: Vec<_> = (1..count)
        .step_by(2)
        .map(|i| Op::syscall(libc::SYS_mprotect, [PADDING + i * PAGE_SIZE, PAGE_SIZE, 1]))
        .collect();
    for ops in protects.chunks(OPS_AT_A_TIME) {
        worker.prepare(region, ops)?;
    }
    Ok(())
}

/// Sets the resource limits of a worker; its forks inherit them.
pub(super) fn apply(worker: &Worker, _region: &Region, limits: &Limits) -> io::Result<()> {
    let own = own_pages(limits) * PAGE_SIZE;
    let address_space = limits
        .address_space
        .map(|Bytes(bytes)| Bytes(bytes.saturating_add(own)));
    set(worker, libc::RLIMIT_AS, address_space)?;
    set(worker, libc::RLIMIT_DATA, limits.data)?;
    set(worker, libc::RLIMIT_STACK, limits.stack)?;
    set_memlock(worker, limits, false)
}

/// Sets the limit of locked memory, with room for the worker's own memory or without.
pub(super) fn set_memlock(worker: &Worker, limits: &Limits, with_own: bool) -> io::Result<()> {
    let own = if with_own {
        own_pages(limits) * PAGE_SIZE
    } else {
        0
    };
    let limit = limits.memlock.map(|Bytes(bytes)| match bytes {
        0 => Bytes(0),
        bytes => Bytes(bytes.saturating_add(own)),
    });
    set(worker, libc::RLIMIT_MEMLOCK, limit)
}

/// Does a worker exceed its limit of locked memory only since the hard limit leaves no room for its own
/// memory?
pub(super) fn lacks_room(worker: &Worker, limits: &Limits) -> io::Result<bool> {
    let Some(Bytes(wanted)) = limits.memlock.filter(|_| !limits.privileged) else {
        return Ok(false);
    };
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", worker.pid()))?;
    let pages: Option<u64> = statm.split(' ').next().and_then(|size| size.parse().ok());
    let total = pages.ok_or(io::ErrorKind::InvalidData)? * PAGE_SIZE;
    let own = own_pages(limits) * PAGE_SIZE;
    Ok(total > get(worker, libc::RLIMIT_MEMLOCK).rlim_cur && total.saturating_sub(own) <= wanted)
}

/// Unlocks the worker's own memory after `mlockall`.
pub(super) fn unlock_own(worker: &Worker, region: &Region) -> io::Result<()> {
    let ops = [
        Op::syscall(libc::SYS_munlock, [TEXT, PAGE_SIZE]),
        Op::syscall(libc::SYS_munlock, [REGION, REGION_SIZE]),
    ];
    worker.prepare(region, &ops).map(drop)
}

fn get(worker: &Worker, resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit goes to a local variable; none is set.
    unsafe { libc::prlimit(worker.pid(), resource, ptr::null(), &raw mut limit) };
    limit
}

fn set(
    worker: &Worker,
    resource: libc::__rlimit_resource_t,
    limit: Option<Bytes>,
) -> io::Result<()> {
    let old = get(worker, resource);
    let value = limit.map_or(libc::RLIM_INFINITY, Bytes::get);
    let try_set = |rlim_cur: u64, rlim_max: u64| {
        let new = libc::rlimit { rlim_cur, rlim_max };
        // SAFETY: the limit is a local variable; the old one is not asked for.
        match unsafe { libc::prlimit(worker.pid(), resource, &raw const new, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // A hard limit cannot be raised everywhere, not even by root.
    try_set(value, value.max(old.rlim_max))
        .or_else(|_| try_set(value.min(old.rlim_max), old.rlim_max))
}

/// Whether processes keep the capabilities that memory management asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Privileges {
    /// They keep them.
    All,
    /// They keep none but the one without which there is no userfaultfd.
    None,
    /// There are none to give up.
    NoneToLose,
}

impl Privileges {
    pub(super) const fn of(limits: &Limits, powers: Powers) -> Self {
        if !powers.any() {
            Self::NoneToLose
        } else if limits.privileged {
            Self::All
        } else {
            Self::None
        }
    }
}

/// Gives up capabilities.
pub(super) fn drop_capabilities(
    worker: &Worker,
    region: &Region,
    privileges: Privileges,
) -> io::Result<()> {
    /// `CAP_SYS_PTRACE`: userfaultfd asks for it.
    const KEPT: u64 = 1 << 19;
    const SECBIT_NOROOT: u64 = 1;
    const VERSION_3: u64 = 0x2008_0522;
    match privileges {
        Privileges::All | Privileges::NoneToLose => return Ok(()),
        Privileges::None => {}
    }
    // Root gets no capabilities back by executing a program, which would also turn randomisation
    // on again; the one that is kept is handed on.
    let prctl = |what: i32, more: [u64; 4]| {
        let [a, b, c, d] = more;
        Op::syscall(libc::SYS_prctl, [what as u64, a, b, c, d])
    };
    let secure = prctl(libc::PR_SET_SECUREBITS, [SECBIT_NOROOT, 0, 0, 0]);
    // The header (version, process 0), then effective, permitted, inheritable; twice.
    let pair = |low: u64, high: u64| low | high << 32;
    worker.put_numbers(region, 0, &[VERSION_3, pair(KEPT, KEPT), KEPT, 0]);
    let base = worker.data_address();
    let capset = Op::syscall(libc::SYS_capset, [base, base + size_of::<u64>() as u64]);
    let raise = libc::PR_CAP_AMBIENT_RAISE as u64;
    let ambient = prctl(
        libc::PR_CAP_AMBIENT,
        [raise, KEPT.trailing_zeros().into(), 0, 0],
    );
    let ops = [secure, capset, ambient];
    worker.prepare(region, &ops).map(drop)
}
