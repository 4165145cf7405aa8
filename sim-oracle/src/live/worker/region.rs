//! The memory that the controlling process shares with its workers.

use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, ptr};

use super::layout::{self, REGION, REGION_SIZE, SLOT_SIZE};

/// The shared memory as the controlling process has it mapped.
pub(crate) struct Region {
    fd: OwnedFd,
    base: NonNull<u8>,
}

// SAFETY: the mapping belongs to the value and is only reached through its methods, which copy
// bytes in and out or use atomics.
unsafe impl Send for Region {}

impl Region {
    /// Makes the memory and maps it.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = memfd(c"vmsim-region")?;
        File::from(fd.try_clone()?).set_len(REGION_SIZE)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                REGION_SIZE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { fd, base })
    }

    /// Its file.
    pub(crate) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The atomic at this offset of the region.
    pub(crate) fn atomic(&self, offset: u64) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < REGION_SIZE);
        // SAFETY: aligned and within the mapping, which lives as long as `self`; both processes
        // access it atomically.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset as usize).cast()) }
    }

    /// Copies bytes to an offset of the region.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        assert!(offset + bytes.len() as u64 <= REGION_SIZE);
        // SAFETY: within the mapping; no worker runs a command that uses these bytes meanwhile.
        unsafe {
            let to = self.base.as_ptr().add(offset as usize);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// Fills bytes at an offset of the region.
    pub(crate) fn fill(&self, offset: u64, byte: u8, len: u64) {
        assert!(offset + len <= REGION_SIZE);
        // SAFETY: as in `write`.
        unsafe { ptr::write_bytes(self.base.as_ptr().add(offset as usize), byte, len as usize) }
    }

    /// Copies bytes from an offset of the region.
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) {
        assert!(offset + bytes.len() as u64 <= REGION_SIZE);
        // SAFETY: as in `write`.
        unsafe {
            let from = self.base.as_ptr().add(offset as usize);
            ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len());
        }
    }

    /// The eight bytes at an offset of the region as a number.
    pub(crate) fn read_u64(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes);
        u64::from_ne_bytes(bytes)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` and nothing refers to it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), REGION_SIZE as usize) };
    }
}

/// A slot: its number, from which its offset and its address in workers follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    /// Where it is in the region.
    pub(crate) const fn offset(self) -> u64 {
        self.0 * SLOT_SIZE
    }

    /// Where workers have it.
    pub(crate) const fn address(self) -> u64 {
        REGION + self.offset()
    }
}

/// Sleeps until a futex no longer has a value, or for so many milliseconds.
pub(crate) fn futex_wait(futex: &AtomicU32, value: u32, milliseconds: u32) {
    let timeout = libc::timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    };
    // SAFETY: the futex is a valid address, the timeout lives through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            futex.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            &raw const timeout,
        );
    }
}

/// Wakes who sleeps on a futex.
pub(crate) fn futex_wake(futex: &AtomicU32) {
    // SAFETY: the futex is a valid address.
    unsafe { libc::syscall(libc::SYS_futex, futex.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// Stores 0 so that a slot can be used for a new worker.
pub(crate) fn clear(region: &Region, slot: Slot) {
    region.fill(slot.offset(), 0, layout::slot::OPS);
    let owner = std::process::id();
    region.write(slot.offset() + layout::slot::OWNER, &owner.to_ne_bytes());
    let seconds: u64 = 2;
    region.write(
        slot.offset() + layout::slot::PATIENCE,
        &seconds.to_ne_bytes(),
    );
    // Nobody reads the slot before the worker that is given it: order is not needed, but cheap.
    region.atomic(slot.offset()).store(0, Ordering::SeqCst);
}

/// An anonymous file in memory.
pub(crate) fn memfd(name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
