//! Where a mapping goes that has no fixed address: gaps between runs, looked at one by one.

use sim_core::{Arch, Backing, Errno, MapFlags, MappedKind, PAGE_SIZE, PMD_SIZE, VmFlags};

use super::rules::Rules;
use super::space::Space;

const LOW_32BIT: (u64, u64) = (0x4000_0000, 0x8000_0000);
const FOUR_GIB: u64 = 1 << 32;

/// What is to be placed; bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) addr: u64,
    pub(super) len: u64,
    pub(super) pgoff: u64,
    pub(super) flags: MapFlags,
    pub(super) map: Backing,
    /// Shared memory that does not exist yet.
    pub(super) unborn: bool,
}

impl Space {
    pub(super) fn place(&self, rules: &Rules, wanted: &Wanted) -> Result<u64, Errno> {
        if wanted.len > rules.task_size() {
            return Err(Errno::ENOMEM);
        }
        let addr = match self.huge(rules, wanted) {
            Some(addr) => addr,
            None => self.plain(rules, wanted)?,
        };
        if addr > rules.task_size() - wanted.len {
            return Err(Errno::ENOMEM);
        }
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if addr < rules.mmap_min_addr && !rules.privileged {
            return Err(Errno::EPERM);
        }
        Ok(addr)
    }

    /// Aligned for huge pages, if it is long enough for one and of a kind that is aligned.
    fn huge(&self, rules: &Rules, wanted: &Wanted) -> Option<u64> {
        let offset = match wanted.map.file().map(|file| file.kind) {
            Some(MappedKind::Regular) => wanted.pgoff.wrapping_mul(PAGE_SIZE),
            Some(_) => return None,
            None => {
                let shared = wanted.unborn || wanted.flags.contains(MapFlags::SHARED);
                if shared || wanted.addr != 0 || !wanted.len.is_multiple_of(PMD_SIZE) {
                    return None;
                }
                0
            }
        };
        // A whole huge page of the object must be among what is mapped.
        let end = offset.checked_add(wanted.len)?;
        let aligned = offset.checked_next_multiple_of(PMD_SIZE)?;
        if aligned.checked_add(PMD_SIZE)? > end {
            return None;
        }
        let len = wanted.len.checked_add(PMD_SIZE)?;
        offset.checked_add(len)?;
        let found = self.plain(rules, &Wanted { len, ..*wanted }).ok()?;
        if found == wanted.addr {
            return Some(found);
        }
        let shift = offset.wrapping_sub(found) % PMD_SIZE;
        let top_down = !rules.layout.legacy;
        Some(
            found
                + if shift == 0 && top_down {
                    PMD_SIZE
                } else {
                    shift
                },
        )
    }

    fn plain(&self, rules: &Rules, wanted: &Wanted) -> Result<u64, Errno> {
        let room = match rules.arch {
            Arch::X86_64 => rules.task_size(),
            Arch::Arm64 => rules.task_size() - rules.lowest,
        };
        if wanted.len > room {
            return Err(Errno::ENOMEM);
        }
        if wanted.flags.contains(MapFlags::FIXED) {
            return Ok(wanted.addr);
        }
        let x86 = rules.arch == Arch::X86_64;
        let low_32bit = x86 && wanted.flags.contains(MapFlags::LOW_32BIT);
        let top = rules.task_size();
        let (low, high) = if low_32bit {
            LOW_32BIT
        } else {
            (rules.layout.unmapped_base.get(), top)
        };
        if low_32bit || rules.layout.legacy {
            return self.upwards(rules, wanted, (low, high));
        }
        if let Some(addr) = self.hint(rules, wanted, top) {
            return Ok(addr);
        }
        let above4g = x86 && wanted.flags.contains(MapFlags::ABOVE4G);
        let from = if above4g { FOUR_GIB } else { PAGE_SIZE };
        self.highest(rules, wanted.len, (from, rules.layout.mmap_base.get()))
            .map_or_else(|| self.upwards(rules, wanted, (low, high)), Ok)
    }

    fn upwards(&self, rules: &Rules, wanted: &Wanted, within: (u64, u64)) -> Result<u64, Errno> {
        if wanted.len > within.1 {
            return Err(Errno::ENOMEM);
        }
        if let Some(addr) = self.hint(rules, wanted, within.1) {
            return Ok(addr);
        }
        self.lowest(rules, wanted.len, within).ok_or(Errno::ENOMEM)
    }

    /// The hint, rounded up to a page, if it is free.
    fn hint(&self, rules: &Rules, wanted: &Wanted, high: u64) -> Option<u64> {
        if wanted.addr == 0 {
            return None;
        }
        let addr = wanted.addr.checked_next_multiple_of(PAGE_SIZE)?;
        let end = addr.checked_add(wanted.len)?;
        let too_low = rules.arch == Arch::Arm64 && addr < rules.lowest;
        let next = self.after(addr / PAGE_SIZE);
        let free = next == self.runs.len() || end <= self.start_gap(rules, next);
        (end <= high && !too_low && free).then_some(addr)
    }

    /// Where a run begins, with the gap that is kept below stacks; in bytes.
    pub(super) fn start_gap(&self, rules: &Rules, index: usize) -> u64 {
        let run = &self.runs[index];
        let gap = if run.page.has(VmFlags::GROWSDOWN) {
            rules.stack_gap.saturating_mul(PAGE_SIZE)
        } else {
            0
        };
        (run.start * PAGE_SIZE).saturating_sub(gap)
    }

    /// The gap below each run, and the one above the last: its ends and the run above.
    fn gaps(&self) -> impl DoubleEndedIterator<Item = (u64, u64, usize)> + '_ {
        (0..=self.runs.len()).map(|index| {
            let from = if index == 0 {
                0
            } else {
                self.runs[index - 1].end * PAGE_SIZE
            };
            let to = self
                .runs
                .get(index)
                .map_or(u64::MAX, |run| run.start * PAGE_SIZE);
            (from, to, index)
        })
    }

    fn min_addr(rules: &Rules) -> u64 {
        rules.lowest.next_multiple_of(PAGE_SIZE)
    }

    /// A stack's gap that is in the way hides all that is above its lower end.
    fn highest(&self, rules: &Rules, len: u64, (low, high): (u64, u64)) -> Option<u64> {
        let (low, mut high) = (low.max(Self::min_addr(rules)), high);
        for (from, to, next) in self.gaps().rev() {
            let fits = |high: u64| {
                let (from, to) = (from.max(low), to.min(high));
                (to.checked_sub(len)? >= from).then_some(to)
            };
            if fits(high).is_some() && next < self.runs.len() {
                high = high.min(self.start_gap(rules, next).max(low));
            }
            if let Some(to) = fits(high) {
                return Some(to - len);
            }
        }
        None
    }

    /// A gap that a stack's gap makes too short is no gap.
    fn lowest(&self, rules: &Rules, len: u64, (low, high): (u64, u64)) -> Option<u64> {
        let low = low.max(Self::min_addr(rules));
        self.gaps().find_map(|(from, to, next)| {
            let from = from.max(low);
            let end = from.checked_add(len)?;
            let fits = end <= to.min(high);
            let clear = next == self.runs.len() || end <= self.start_gap(rules, next);
            (fits && clear).then_some(from)
        })
    }
}
