//! Assertions about the counters of smaps.

use sim_core::VmaSnapshot;

use super::Interval;
use super::vmas::{describe, in_range};
use crate::scenario::CounterTerm;

/// Counters that say how a VMA is, and cannot be added up.
const NOT_SUMMED: &[&str] = &["KernelPageSize", "MMUPageSize", "THPeligible"];

/// Has a counter, summed over the VMAs of a range, this value?
pub(super) fn counter(
    term: &CounterTerm,
    at: Interval,
    vmas: &[VmaSnapshot],
) -> Result<(), String> {
    let CounterTerm { counter, value } = *term;
    let of = |vma: &VmaSnapshot| {
        let found = vma.smaps.counters().find(|(name, _)| *name == counter);
        found.map_or(0, |(_, value)| value)
    };
    let found: Vec<_> = in_range(at, vmas).collect();
    if found.is_empty() {
        return Err("nothing is mapped there".to_owned());
    }
    if NOT_SUMMED.contains(&counter) {
        return match found.iter().find(|vma| of(vma) != value) {
            None => Ok(()),
            Some(vma) => Err(format!(
                "expected {counter} {value}, got {}; it is `{}`",
                of(vma),
                describe(vma)
            )),
        };
    }
    let sum: u64 = found.iter().map(|vma| of(vma)).sum();
    if sum == value {
        return Ok(());
    }
    Err(format!("expected {counter} {value} kB, got {sum} kB"))
}
