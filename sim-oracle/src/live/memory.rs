//! How much memory the running kernel has.

use sim_core::Bytes;

/// All its memory, `None` where that cannot be read (`/proc/meminfo`).
pub(super) fn memory() -> Option<Bytes> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(Bytes::new(kilobytes.saturating_mul(1024)))
}
