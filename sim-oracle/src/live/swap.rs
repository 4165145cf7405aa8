//! The running kernel's swap: how much there is, what it is on, and when it has been written.
//!
//! What is swapped out to a disk is written some time after the call that asked for it has ended, and
//! until then a page cannot be swapped out again, freed lazily, or parted from its place. So the end
//! of such a call is waited for: until the disk has nothing to do.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant};

use sim_core::{Advice, BackendError, Bytes, Call, FileKind, FileSpec, PMD_SIZE, SwapDevice};

/// The longest time to wait for a disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_micros(50);

/// Which number of a disk's statistics counts requests that it has not ended.
const IN_FLIGHT: usize = 8;

/// A line of `/proc/swaps`: Filename Type Size Used Priority, sizes in kB.
struct Area {
    path: String,
    is_file: bool,
    size: Bytes,
}

/// The swap areas in use; none where that cannot be read.
fn areas() -> Vec<Area> {
    let text = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let area = |line: &str| {
        let mut words = line.split_whitespace();
        let (path, kind, size) = (words.next()?, words.next()?, words.next()?);
        Some(Area {
            path: path.to_owned(),
            is_file: kind == "file",
            size: Bytes::new(size.parse::<u64>().ok()?.saturating_mul(1024)),
        })
    };
    text.lines().skip(1).filter_map(area).collect()
}

/// The sum of the swap areas in use.
pub(super) fn space() -> Bytes {
    let sizes = areas().into_iter().map(|area| area.size.get());
    Bytes::new(sizes.sum())
}

/// What the first of them is on; `None` if there is none.
pub(super) fn device() -> Option<SwapDevice> {
    areas().first().map(Area::device)
}

impl Area {
    fn device(&self) -> SwapDevice {
        let in_memory = ["/dev/zram", "/dev/ram", "/dev/pmem"];
        if self.is_file {
            SwapDevice::File
        } else if in_memory.iter().any(|name| self.path.starts_with(name)) {
            SwapDevice::Zram
        } else {
            SwapDevice::Disk
        }
    }

    /// The file that says what its disk does and has to do.
    fn stat(&self) -> Option<String> {
        let metadata = fs::metadata(&self.path).ok()?;
        let device = if self.is_file {
            metadata.dev()
        } else {
            metadata.rdev()
        };
        let (major, minor) = (libc::major(device), libc::minor(device));
        Some(format!("/sys/dev/block/{major}:{minor}/stat"))
    }
}

/// Waits for what is written to swap.
pub(super) struct Writeback {
    /// What the disks have to do that take their time (`/sys/dev/block/*/stat`).
    stats: Vec<String>,
}

impl Writeback {
    pub(super) fn new() -> Self {
        let areas = areas();
        let slow = areas.iter().filter(|area| !area.device().is_synchronous());
        Self {
            stats: slow.filter_map(Area::stat).collect(),
        }
    }

    /// Refuses to truncate shared memory of which a huge page may be in swap: 6.18 never comes back
    /// from it if the new end is within that page (`mm/shmem.c: shmem_undo_range()`). Somebody may have
    /// switched swap on since the run began.
    pub(super) fn check(call: &Call, files: &[FileSpec]) -> Result<(), BackendError> {
        let Call::Truncate { file, size } = call else {
            return Ok(());
        };
        let spec = files.get(file.0 as usize);
        let shared = spec.filter(|spec| spec.kind == FileKind::Memfd);
        let large = shared.is_some_and(|spec| spec.size.max(*size).get() >= PMD_SIZE);
        let inside = large && !size.get().is_multiple_of(PMD_SIZE);
        if inside && areas().iter().any(|area| area.device().takes_huge_pages()) {
            return Err(BackendError::NotSupported(
                "with swap that takes huge pages, truncating one of shared memory may never end"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// After a call that swaps out, waits until that is done.
    pub(super) fn after(&self, call: &Call) {
        let swaps_out = match call {
            Call::Madvise { advice, .. } => *advice == Advice::Pageout,
            Call::Reclaim(_) => true,
            _ => false,
        };
        if swaps_out {
            let begin = Instant::now();
            while !self.is_idle() && begin.elapsed() < PATIENCE {
                thread::sleep(PAUSE);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.stats.iter().all(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.split_whitespace()
                .nth(IN_FLIGHT)
                .is_none_or(|requests| requests == "0")
        })
    }
}
