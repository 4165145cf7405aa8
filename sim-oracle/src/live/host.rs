//! What the running kernel is.

use std::{fs, io};

use super::error::LiveError;
use super::worker::Worker;
use super::worker::command::{Op, Patience};
use super::worker::region::Region;

/// Whether the live kernel can be used here at all; [`not_compared`](super::not_compared) says how far.
///
/// # Errors
/// With the reason if it cannot.
pub fn availability() -> Result<(), LiveError> {
    let not_possible = |why: &str| Err(LiveError::NotPossible(why.to_owned()));
    if !fs::exists("/proc/self/pagemap").unwrap_or(false) {
        return not_possible("/proc/self/pagemap is missing");
    }
    Ok(())
}

/// The running kernel's release.
pub fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Whether the kernel can name anonymous VMAs.
pub(super) fn names_supported(worker: &Worker, region: &Region) -> io::Result<bool> {
    const AT: u64 = 0x1000_0000;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as u64;
    let map = Op::syscall(libc::SYS_mmap, [AT, 4096, 3, flags, u64::MAX, 0]);
    worker.put(region, 0, b"name\0");
    let what = [libc::PR_SET_VMA as u64, 0, AT, 4096, worker.data_address()];
    let name = Op::syscall(libc::SYS_prctl, what);
    let unmap = Op::syscall(libc::SYS_munmap, [AT, 4096]);
    let done = worker
        .run(region, &[map, name, unmap], Patience::Normal)
        .map_err(|_| io::Error::other("a worker did not answer"))?;
    Ok(done[1] == super::worker::command::Done::Result(0))
}
