//! How much swap space the running kernel has.

use sim_core::Bytes;

/// The sum of the swap areas in use, 0 where that cannot be read (`/proc/swaps`).
pub fn swap_space() -> Bytes {
    let text = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    // Filename Type Size Used Priority, sizes in kB.
    let kilobytes = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    Bytes::new(kilobytes.sum::<u64>().saturating_mul(1024))
}
