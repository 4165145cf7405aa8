//! The processes of a run and the names they know.

use std::collections::BTreeMap;

use sim_core::{Bytes, PAGE_SIZE, PageOffset, Pid, SyscallRange, VirtAddr};

use crate::scenario::{MAIN, PageSelection, RangeExpr, RangeKind};

/// The live processes.
#[derive(Clone, Debug)]
pub(super) struct Processes<'s> {
    live: BTreeMap<Pid, Process<'s>>,
    by_name: BTreeMap<&'s str, Pid>,
    /// The break of each mm, where it is known.
    breaks: BTreeMap<MmNumber, VirtAddr>,
    next_pid: u32,
    next_mm: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct MmNumber(u32);

#[derive(Clone, Debug)]
struct Process<'s> {
    name: &'s str,
    mm: MmNumber,
    ranges: BTreeMap<&'s str, SyscallRange>,
}

impl Process<'_> {
    /// Learns what `new` knows beyond `old`.
    fn learn(&mut self, old: &Self, new: &Self) {
        if new.mm != old.mm {
            self.mm = new.mm;
        }
        for (name, range) in &new.ranges {
            if old.ranges.get(name) != Some(range) {
                self.ranges.insert(name, *range);
            }
        }
    }
}

impl<'s> Processes<'s> {
    pub(super) fn new() -> Self {
        let main = Process {
            name: MAIN,
            mm: MmNumber(0),
            ranges: BTreeMap::new(),
        };
        Self {
            live: BTreeMap::from([(Pid::MAIN, main)]),
            by_name: BTreeMap::from([(MAIN, Pid::MAIN)]),
            breaks: BTreeMap::new(),
            next_pid: Pid::MAIN.0 + 1,
            next_mm: 1,
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Pid> {
        self.by_name.get(name).copied()
    }

    pub(super) fn name(&self, pid: Pid) -> Option<&'s str> {
        self.live.get(&pid).map(|process| process.name)
    }

    /// A number for a child, not used before.
    pub(super) fn new_pid(&mut self) -> Pid {
        let pid = Pid(self.next_pid);
        self.next_pid += 1;
        pid
    }

    /// `parent` has forked: the child knows its parent's names.
    pub(super) fn forked(&mut self, parent: Pid, child: Pid, name: &'s str, share: bool) {
        let Some(process) = self.live.get(&parent) else {
            return;
        };
        let (old, ranges) = (process.mm, process.ranges.clone());
        let mm = if share { old } else { self.new_mm() };
        if let Some(&at) = self.breaks.get(&old) {
            self.breaks.insert(mm, at);
        }
        self.live.insert(child, Process { name, mm, ranges });
        self.by_name.insert(name, child);
    }

    pub(super) fn remove(&mut self, pid: Pid) {
        let Some(process) = self.live.remove(&pid) else {
            return;
        };
        if self.by_name.get(process.name) == Some(&pid) {
            self.by_name.remove(process.name);
        }
        if !self.live.values().any(|other| other.mm == process.mm) {
            self.breaks.remove(&process.mm);
        }
    }

    /// `pid` has a fresh address space.
    pub(super) fn executed(&mut self, pid: Pid) {
        let mm = self.new_mm();
        if let Some(process) = self.live.get_mut(&pid) {
            process.mm = mm;
        }
    }

    pub(super) fn set_break(&mut self, pid: Pid, at: VirtAddr) {
        if let Some(process) = self.live.get(&pid) {
            self.breaks.insert(process.mm, at);
        }
    }

    pub(super) fn break_of(&self, pid: Pid) -> Option<VirtAddr> {
        let process = self.live.get(&pid)?;
        self.breaks.get(&process.mm).copied()
    }

    pub(super) fn name_range(&mut self, pid: Pid, name: &'s str, addr: VirtAddr, len: Bytes) {
        if let Some(process) = self.live.get_mut(&pid) {
            let range = SyscallRange::new(addr, len.page_align());
            process.ranges.insert(name, range);
        }
    }

    pub(super) fn resolve(&self, pid: Pid, range: &RangeExpr) -> Result<SyscallRange, String> {
        match &range.kind {
            RangeKind::Absolute(range) => Ok(*range),
            RangeKind::Named { name, pages } => {
                let process = self.live.get(&pid).ok_or("the process is gone")?;
                let whole = process.ranges.get(name.as_str()).ok_or_else(|| {
                    format!("`{name}` names nothing: the call that was to name it failed")
                })?;
                select(*whole, *pages)
                    .ok_or_else(|| format!("the pages of `{name}` end outside the address space"))
            }
        }
    }

    /// Every live process, ascending.
    pub(super) fn all(&self) -> impl Iterator<Item = Pid> {
        self.live.keys().copied()
    }

    /// The same processes; new ones get the numbers that `other` would give.
    pub(super) fn numbering_like(&self, other: &Self) -> Self {
        Self {
            next_pid: other.next_pid,
            next_mm: other.next_mm,
            ..self.clone()
        }
    }

    /// Leaves so many numbers to somebody else.
    pub(super) fn set_aside(&mut self, numbers: u32) {
        self.next_pid = self.next_pid.saturating_add(numbers);
        self.next_mm = self.next_mm.saturating_add(numbers);
    }

    /// Learns what `thread` has come to know since it knew `before`.
    pub(super) fn learn(&mut self, before: &Self, thread: &Self) {
        for pid in before.live.keys() {
            if !thread.live.contains_key(pid) {
                self.remove(*pid);
            }
        }
        for (pid, process) in &thread.live {
            match (before.live.get(pid), self.live.get_mut(pid)) {
                (Some(old), Some(known)) => known.learn(old, process),
                (Some(_), None) => {}
                (None, _) => {
                    self.live.insert(*pid, process.clone());
                    self.by_name.insert(process.name, *pid);
                }
            }
        }
        for (mm, at) in &thread.breaks {
            if before.breaks.get(mm) != Some(at) {
                self.breaks.insert(*mm, *at);
            }
        }
    }

    fn new_mm(&mut self) -> MmNumber {
        let mm = MmNumber(self.next_mm);
        self.next_mm += 1;
        mm
    }
}

/// Some pages of a mapping; `None` if they leave the address space, or none is left.
fn select(whole: SyscallRange, pages: PageSelection) -> Option<SyscallRange> {
    let size = whole.len.get() / PAGE_SIZE;
    let (first, end) = match pages {
        PageSelection::All => return Some(whole),
        PageSelection::One(PageOffset(page)) => (page, page.checked_add(1)?),
        PageSelection::From(PageOffset(first)) => (first, size),
        PageSelection::Between(PageOffset(first), PageOffset(end)) => (first, end),
    };
    let offset = first.checked_mul(PAGE_SIZE)?;
    let len = end.checked_sub(first)?.checked_mul(PAGE_SIZE)?;
    let addr = whole.addr.checked_add(Bytes(offset))?;
    addr.checked_add(Bytes(len.saturating_sub(1)))?;
    Some(SyscallRange::new(addr, Bytes(len)))
}
