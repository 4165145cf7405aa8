//! How much memory and swap space the running kernel has.

use sim_core::Bytes;

/// The sum of the swap areas in use, 0 where that cannot be read (`/proc/swaps`).
pub(super) fn swap_space() -> Bytes {
    let text = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    // Filename Type Size Used Priority, sizes in kB.
    let kilobytes = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    Bytes::new(kilobytes.sum::<u64>().saturating_mul(1024))
}

/// All its memory, `None` where that cannot be read (`/proc/meminfo`).
pub(super) fn memory() -> Option<Bytes> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(Bytes::new(kilobytes.saturating_mul(1024)))
}
