//! mlock, munlock, mlockall, munlockall.

use sim_core::{Errno, MlockallFlags, PAGE_SIZE, SyscallRange, VmFlags};

use super::mmap::can_lock;
use super::rules::Rules;
use super::space::{Pages, Space};

/// Pages with a byte of the range, as a start and a number of pages; lengths wrap.
pub(super) fn covering(range: SyscallRange) -> (u64, u64) {
    let within = range.addr.get() % PAGE_SIZE;
    let len = range.len.0.wrapping_add(within).wrapping_add(PAGE_SIZE - 1) / PAGE_SIZE;
    (range.addr.get() / PAGE_SIZE, len)
}

/// The end of user-visible arithmetic: pages at and above it do not exist.
const ALL_PAGES: u64 = 1 << 52;

impl Space {
    /// Gives VMAs the lock flags; what is to be populated.
    pub(super) fn mlock(
        &mut self,
        rules: &Rules,
        range: SyscallRange,
        onfault: bool,
    ) -> Result<Option<Pages>, Errno> {
        if rules.no_mlock {
            return Err(Errno::EPERM);
        }
        let (start, count) = covering(range);
        let end = (start + count).min(ALL_PAGES - 1);
        // What is locked already is not counted twice, but only looked for if it matters.
        let mut locked = count.saturating_add(self.locked());
        if locked > rules.memlock {
            let runs = self
                .within((start, end))
                .filter(|run| run.page.has(VmFlags::LOCKED));
            locked -= runs
                .map(|run| run.end.min(end) - run.start.max(start))
                .sum::<u64>();
        }
        if locked > rules.memlock {
            return Err(Errno::ENOMEM);
        }
        let lock = if onfault {
            VmFlags::LOCKED_MASK
        } else {
            VmFlags::LOCKED
        };
        self.relock(rules, (start, count), lock)
    }

    pub(super) fn munlock(&mut self, rules: &Rules, range: SyscallRange) -> Result<(), Errno> {
        self.relock(rules, covering(range), VmFlags::empty())
            .map(drop)
    }

    fn relock(
        &mut self,
        rules: &Rules,
        (start, count): (u64, u64),
        lock: VmFlags,
    ) -> Result<Option<Pages>, Errno> {
        let end = start + count;
        if end >= ALL_PAGES {
            return Err(Errno::EINVAL);
        }
        let mut at = start;
        while at < end {
            let run = &self.runs[self.at(at).ok_or(Errno::ENOMEM)?];
            self.lock_part(rules, (at, end.min(run.end)), lock)?;
            at = self.mapped(at).end;
        }
        Ok((count != 0).then_some((start, end)))
    }

    fn lock_part(&mut self, rules: &Rules, part: Pages, lock: VmFlags) -> Result<(), Errno> {
        let old = self.mapped(part.0).page.flags;
        let flags = (old - VmFlags::LOCKED_MASK) | lock;
        if flags == old || !can_lock(old) {
            return Ok(());
        }
        self.set_flags(rules, part, flags)
    }

    /// Says whether everything is to be populated.
    pub(super) fn mlockall(&mut self, rules: &Rules, flags: MlockallFlags) -> Result<bool, Errno> {
        let bits = flags.bits();
        if bits == 0 || bits & !7 != 0 || flags == MlockallFlags::ONFAULT {
            return Err(Errno::EINVAL);
        }
        if rules.no_mlock {
            return Err(Errno::EPERM);
        }
        let current = flags.contains(MlockallFlags::CURRENT);
        if current && self.total() > rules.memlock {
            return Err(Errno::ENOMEM);
        }
        self.lock_all(rules, flags);
        Ok(current)
    }

    pub(super) fn lock_all(&mut self, rules: &Rules, flags: MlockallFlags) {
        let lock = if flags.contains(MlockallFlags::ONFAULT) {
            VmFlags::LOCKED_MASK
        } else {
            VmFlags::LOCKED
        };
        let current = flags.contains(MlockallFlags::CURRENT);
        let future = flags.contains(MlockallFlags::FUTURE);
        self.def_flags -= VmFlags::LOCKED_MASK;
        if future {
            self.def_flags |= lock;
        }
        if future && !current {
            return;
        }
        let lock = if current { lock } else { VmFlags::empty() };
        let mut at = 0;
        while let Some(run) = self.runs.get(self.after(at)) {
            let whole = (run.start, run.end);
            // Errors of single VMAs are nobody's.
            let _ = self.lock_part(rules, whole, lock);
            at = self.mapped(whole.0).end;
        }
    }
}
