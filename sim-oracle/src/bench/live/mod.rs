//! The running kernel as a contestant.
//!
//! Each measurement has a process of its own, forked from the one that measures before that has
//! simulated anything, so that its memory is small. It runs the same [`Player`](super::Player) on
//! itself: a call is a system call, nothing is between. Both talk over a socket:
//!
//! ```text
//!   Kernel::repeat ── Effort ──▶ process: Player<System>
//!                  ◀── Repeat ──
//! ```

mod process;
mod system;
mod talk;

pub use process::Kernel;
pub use system::System;

use super::work::MOST_UNMAPPED;
use super::{Axis, BenchError, Spec, Workload};

/// VMAs of the program itself, generously.
const OWN_VMAS: u64 = 128;

/// Whether this machine has room for a measurement.
fn check(spec: &Spec) -> Result<(), BenchError> {
    if let Some(why) = spec.workload.not_live() {
        return not_possible(why.to_owned());
    }
    match spec.workload.axis() {
        Axis::Vmas => check_vmas(spec),
        Axis::Pages => check_pages(spec),
        Axis::Own => Ok(()),
    }
}

fn check_vmas(spec: &Spec) -> Result<(), BenchError> {
    let extra = if spec.workload == Workload::Unmap {
        MOST_UNMAPPED * spec.threads as u64
    } else {
        4 * spec.threads as u64
    };
    let limit = number("/proc/sys/vm/max_map_count", "").unwrap_or(u64::MAX);
    if spec.vmas + extra + OWN_VMAS > limit {
        return not_possible(format!(
            "{} VMAs exceed vm.max_map_count, which is {limit}",
            spec.vmas
        ));
    }
    Ok(())
}

fn check_pages(spec: &Spec) -> Result<(), BenchError> {
    let available = number("/proc/meminfo", "MemAvailable:").unwrap_or(u64::MAX / 1024) / 4;
    if spec.pages.get() > available / 2 {
        return not_possible(format!(
            "{} pages are more than half of the memory available",
            spec.pages.get()
        ));
    }
    Ok(())
}

/// The number after `key` in a file.
fn number(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn not_possible<T>(why: String) -> Result<T, BenchError> {
    Err(BenchError::NotPossible(why))
}
