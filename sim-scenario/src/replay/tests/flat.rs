//! A back end that knows nothing but pages: enough to drive a replay.

use std::collections::BTreeMap;
use std::ops::Range;

use rangemap::RangeMap;
use sim_core::{
    Backend, BackendError, Call, Errno, FileId, MapFlags, MmapArgs, MremapArgs, MremapFlags,
    Outcome, PAGE_SIZE, PageRange, Pid, Prot, Snapshot, SnapshotLevel, SyscallRange, VirtAddr,
    VmFlags, VmaSnapshot,
};

use crate::replay::ReplayTarget;

/// The first page above those that the back end chooses.
const TOP: u64 = 0x7fff_f000_0000 / PAGE_SIZE;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Page {
    prot: Prot,
    /// The file, and its offset in pages less the number of the page that it is mapped at.
    file: Option<(FileId, u64)>,
}

#[derive(Clone, Default)]
struct Space {
    pages: RangeMap<u64, Page>,
    brk: Range<u64>,
}

/// The back end.
#[derive(Default)]
pub(super) struct Flat {
    spaces: Vec<Space>,
    processes: BTreeMap<Pid, usize>,
}

type Answer = Result<u64, Errno>;

impl Flat {
    pub(super) fn new() -> Self {
        Self {
            spaces: vec![Space::default()],
            processes: BTreeMap::from([(Pid::MAIN, 0)]),
        }
    }

    fn space(&mut self, pid: Pid) -> Result<&mut Space, BackendError> {
        let index = self.processes.get(&pid);
        let index = *index.ok_or(BackendError::NoSuchProcess(pid))?;
        Ok(&mut self.spaces[index])
    }

    fn add(&mut self, pid: Pid, space: Space) {
        self.spaces.push(space);
        self.processes.insert(pid, self.spaces.len() - 1);
    }
}

impl Backend for Flat {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let space = self.space(pid)?;
        let answer = match call {
            Call::Mmap(args) => space.mmap(*args),
            Call::Munmap(range) => {
                space.munmap(*range);
                Ok(0)
            }
            Call::Mprotect { range, prot, .. } => space.mprotect(*range, *prot),
            Call::Madvise { range, .. } => space.mapped(*range),
            Call::Mremap(args) => space.mremap(*args),
            Call::Brk(to) => Ok(space.brk(to.get())),
            Call::Fork { child, share } => {
                if *share {
                    let same = self.processes[&pid];
                    self.processes.insert(*child, same);
                } else {
                    let copy = space.clone();
                    self.add(*child, copy);
                }
                Ok(0)
            }
            Call::Execve { .. } => {
                self.add(pid, Space::default());
                Ok(0)
            }
            Call::Exit => {
                self.processes.remove(&pid);
                Ok(0)
            }
            other => return Err(BackendError::NotSupported(other.op().to_owned())),
        };
        Ok(answer.into())
    }

    fn snapshot(&mut self, pid: Pid, _: SnapshotLevel) -> Result<Snapshot, BackendError> {
        Ok(self.space(pid)?.snapshot())
    }

    fn processes(&self) -> Vec<Pid> {
        self.processes.keys().copied().collect()
    }
}

impl ReplayTarget for Flat {
    fn place_brk(&mut self, pid: Pid, start: VirtAddr) -> Result<(), BackendError> {
        self.space(pid)?.brk = start.get()..start.get();
        Ok(())
    }
}

fn pages(addr: u64, len: u64) -> Range<u64> {
    addr / PAGE_SIZE..(addr + len).div_ceil(PAGE_SIZE)
}

impl Space {
    fn free(&self, range: Range<u64>) -> bool {
        range.is_empty() || !self.pages.overlaps(&range)
    }

    /// The highest gap below [`TOP`].
    fn choose(&self, count: u64) -> u64 {
        let gaps: Vec<_> = self.pages.gaps(&(1..TOP)).collect();
        let fits = gaps.iter().rev().find(|gap| gap.end - gap.start >= count);
        fits.map_or(0, |gap| gap.end - count)
    }

    fn mmap(&mut self, args: MmapArgs) -> Answer {
        let count = args.len.get().div_ceil(PAGE_SIZE);
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        let hint = args.addr.page_number();
        let wanted = hint..hint + count;
        let start = if args.flags.contains(MapFlags::FIXED_NOREPLACE) {
            if !self.free(wanted) {
                return Err(Errno::EEXIST);
            }
            hint
        } else if args.flags.contains(MapFlags::FIXED) || (hint != 0 && self.free(wanted)) {
            hint
        } else {
            self.choose(count)
        };
        let offset = (args.offset / PAGE_SIZE).wrapping_sub(start);
        let page = Page {
            prot: args.prot,
            file: args.file.map(|file| (file, offset)),
        };
        self.pages.insert(start..start + count, page);
        Ok(start * PAGE_SIZE)
    }

    fn munmap(&mut self, range: SyscallRange) {
        self.pages.remove(pages(range.addr.get(), range.len.get()));
    }

    fn mapped(&self, range: SyscallRange) -> Answer {
        let pages = pages(range.addr.get(), range.len.get());
        let hole = self.pages.gaps(&pages).next();
        hole.map_or(Ok(0), |_| Err(Errno::ENOMEM))
    }

    fn mprotect(&mut self, range: SyscallRange, prot: Prot) -> Answer {
        self.mapped(range)?;
        let pages = pages(range.addr.get(), range.len.get());
        let parts: Vec<_> = self
            .pages
            .overlapping(&pages)
            .map(|(part, page)| (part.start.max(pages.start)..part.end.min(pages.end), *page))
            .collect();
        for (part, page) in parts {
            self.pages.insert(part, Page { prot, ..page });
        }
        Ok(0)
    }

    fn mremap(&mut self, args: MremapArgs) -> Answer {
        let old = SyscallRange::new(args.addr, args.old_len);
        self.mapped(old).map_err(|_| Errno::EFAULT)?;
        let first = args.addr.page_number();
        let (old, new) = (args.old_len.pages(), args.new_len.pages());
        let fixed = args.flags.contains(MremapFlags::FIXED);
        let in_place = !fixed && self.free(first + old.min(new)..first + new);
        let page = self.pages.get(&first).copied().ok_or(Errno::EFAULT)?;
        let start = match (fixed, in_place) {
            (true, _) => args.new_addr.page_number(),
            (false, true) => first,
            (false, false) => self.choose(new),
        };
        self.pages.remove(first..first + old);
        let moved =
            |(file, offset): (FileId, u64)| (file, offset.wrapping_add(first).wrapping_sub(start));
        let file = page.file.map(moved);
        self.pages.insert(start..start + new, Page { file, ..page });
        Ok(start * PAGE_SIZE)
    }

    fn brk(&mut self, to: u64) -> u64 {
        if to >= self.brk.start && self.brk.start != 0 {
            let (now, then) = (self.brk.end.div_ceil(PAGE_SIZE), to.div_ceil(PAGE_SIZE));
            if now < then {
                let prot = Prot::READ | Prot::WRITE;
                self.pages.insert(now..then, Page { prot, file: None });
            }
            if then < now {
                self.pages.remove(then..now);
            }
            self.brk.end = to;
        }
        self.brk.end
    }

    fn snapshot(&self) -> Snapshot {
        let vma = |(range, page): (&Range<u64>, &Page)| VmaSnapshot {
            range: PageRange::new(
                VirtAddr::new(range.start * PAGE_SIZE),
                VirtAddr::new(range.end * PAGE_SIZE),
            ),
            flags: VmFlags::from_bits_truncate(u64::from(page.prot.bits() & 7)),
            offset: page.file.map_or(0, |(_, offset)| {
                offset.wrapping_add(range.start) * PAGE_SIZE
            }),
            file: page.file.map(|(file, _)| format!("file {}", file.0)),
            label: None,
            anon_vma: None,
            smaps: sim_core::Smaps::default(),
        };
        Snapshot {
            vmas: self.pages.iter().map(vma).collect(),
            pages: Vec::new(),
        }
    }
}
