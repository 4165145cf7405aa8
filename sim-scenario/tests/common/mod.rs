//! A back end that is just large enough for the runner's tests: pages in a map, no kernel's rules.

use std::collections::BTreeMap;

use sim_core::{
    Access, Advice, Backend, BackendError, Call, Errno, MapFlags, MmapArgs, Outcome, PAGE_SIZE,
    PageRange, PageRun, PageState, Pid, Prot, Setup, Signal, Smaps, Snapshot, SnapshotLevel,
    SyscallRange, VirtAddr, VmFlags, VmaSnapshot,
};

/// A page: what its VMA says of it, and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Page {
    flags: VmFlags,
    file: Option<String>,
    guard: bool,
    value: Option<u8>,
}

/// Pages by number.
#[derive(Clone, Debug, Default)]
struct Space {
    pages: BTreeMap<u64, Page>,
    end: u64,
}

/// The back end.
#[derive(Clone, Debug)]
pub(crate) struct Mock {
    setup: Setup,
    spaces: BTreeMap<Pid, Space>,
    fail_next: bool,
    /// Every call that was made.
    pub(crate) calls: Vec<(Pid, Call)>,
    /// What `check_invariants` says.
    pub(crate) broken: Option<&'static str>,
}

/// What a mapping may have, and an access looks at.
const MOST_PAGES: u64 = 4096;
const BASE: u64 = 0x7000_0000_0000;

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            setup: setup.clone(),
            spaces: BTreeMap::from([(
                Pid::MAIN,
                Space {
                    end: 0x5000_0000,
                    ..Space::default()
                },
            )]),
            fail_next: false,
            calls: Vec::new(),
            broken: None,
        }
    }

    fn mmap(&mut self, pid: Pid, args: &MmapArgs) -> Outcome {
        let pages = args.len.page_align().pages();
        if pages == 0 || pages > MOST_PAGES || !args.addr.is_page_aligned() {
            return Outcome::Errno(Errno::EINVAL);
        }
        let file = match args.file {
            Some(file) => Some(self.setup.files[file.0 as usize].name.clone()),
            None if args.flags.contains(MapFlags::ANONYMOUS) => None,
            None => return Outcome::Errno(Errno::EBADF),
        };
        let space = self.spaces.get_mut(&pid).expect("checked by call()");
        if args.addr.get() >= 1 << 47 {
            return Outcome::Errno(Errno::ENOMEM);
        }
        let addr = match args.addr.get() {
            0 => space
                .pages
                .keys()
                .last()
                .map_or(BASE, |last| (last + 2) * PAGE_SIZE),
            addr => addr,
        };
        let flags = protection(args.prot) | VmFlags::MAY_FLAGS;
        let page = Page {
            flags,
            file,
            guard: false,
            value: None,
        };
        for number in 0..pages {
            space.pages.insert(addr / PAGE_SIZE + number, page.clone());
        }
        Outcome::Value(addr)
    }

    fn access(&mut self, pid: Pid, range: SyscallRange, access: Access) -> Outcome {
        let space = self.spaces.get_mut(&pid).expect("checked by call()");
        let need = match access {
            Access::Read => VmFlags::READ,
            Access::Write(_) => VmFlags::WRITE,
            Access::Exec => VmFlags::EXEC,
        };
        let mut last = 0;
        for number in numbers(range) {
            match space.pages.get_mut(&number) {
                Some(page) if page.flags.contains(need) && !page.guard => {
                    if let Access::Write(value) = access {
                        page.value = value.or(page.value).or(Some(0));
                    }
                    last = page.value.unwrap_or(0);
                }
                _ => return Outcome::Signal(Signal::SIGSEGV),
            }
        }
        Outcome::Value(if access == Access::Read {
            last.into()
        } else {
            0
        })
    }

    fn change(&mut self, pid: Pid, range: SyscallRange, change: impl Fn(&mut Page)) -> Outcome {
        let space = self.spaces.get_mut(&pid).expect("checked by call()");
        for number in numbers(range) {
            match space.pages.get_mut(&number) {
                Some(page) => change(page),
                None => return Outcome::Errno(Errno::ENOMEM),
            }
        }
        Outcome::OK
    }
}

impl Backend for Mock {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        self.calls.push((pid, call.clone()));
        if !self.spaces.contains_key(&pid) {
            return Err(BackendError::NoSuchProcess(pid));
        }
        if std::mem::take(&mut self.fail_next) {
            return Ok(Outcome::Errno(Errno::ENOMEM));
        }
        Ok(match call {
            Call::Mmap(args) => self.mmap(pid, args),
            Call::Munmap(range) => {
                let space = self.spaces.get_mut(&pid).expect("checked above");
                for number in numbers(*range) {
                    space.pages.remove(&number);
                }
                Outcome::OK
            }
            Call::Mprotect { range, prot, .. } => self.change(pid, *range, |page| {
                page.flags = protection(*prot) | VmFlags::MAY_FLAGS;
            }),
            Call::Madvise {
                range,
                advice: Advice::GuardInstall,
            } => self.change(pid, *range, |page| page.guard = true),
            Call::Access { range, access } => self.access(pid, *range, *access),
            Call::Brk(to) => {
                let space = self.spaces.get_mut(&pid).expect("checked above");
                if (0x5000_0000..0x6000_0000).contains(&to.get()) {
                    space.end = to.get();
                }
                Outcome::Value(space.end)
            }
            Call::Fork { child, .. } => {
                let space = self.spaces[&pid].clone();
                self.spaces.insert(*child, space);
                Outcome::OK
            }
            Call::Exit => {
                self.spaces.remove(&pid);
                Outcome::OK
            }
            Call::InjectAllocFailure { .. } => {
                self.fail_next = true;
                Outcome::OK
            }
            Call::Khugepaged { .. } => Outcome::UffdWait,
            Call::Mseal(_) => return Err(BackendError::NotSupported("mseal".to_owned())),
            _ => Outcome::OK,
        })
    }

    fn snapshot(&mut self, pid: Pid, _: SnapshotLevel) -> Result<Snapshot, BackendError> {
        let space = self
            .spaces
            .get(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))?;
        let mut snapshot = Snapshot::default();
        for (number, page) in &space.pages {
            let range = PageRange::from_pages(VirtAddr::new(number * PAGE_SIZE), 1);
            add_vma(&mut snapshot.vmas, range, page);
            if let Some(state) = state(page) {
                snapshot.pages.push(PageRun { range, state });
            }
        }
        Ok(snapshot)
    }

    fn processes(&self) -> Vec<Pid> {
        self.spaces.keys().copied().collect()
    }

    fn check_invariants(&mut self) -> Result<(), String> {
        self.broken.map_or(Ok(()), |broken| Err(broken.to_owned()))
    }
}

fn add_vma(vmas: &mut Vec<VmaSnapshot>, range: PageRange, page: &Page) {
    let rss = if page.value.is_some() { 4 } else { 0 };
    if let Some(last) = vmas.last_mut()
        && last.range.end() == range.start()
        && last.flags == page.flags
        && last.file == page.file
    {
        last.range = PageRange::new(last.range.start(), range.end());
        last.smaps.rss += rss;
        return;
    }
    vmas.push(VmaSnapshot {
        range,
        flags: page.flags,
        offset: 0,
        file: page.file.clone(),
        label: None,
        anon_vma: Some(page.value.is_some()),
        smaps: Smaps {
            rss,
            ..Smaps::default()
        },
    });
}

fn state(page: &Page) -> Option<PageState> {
    if page.guard {
        return Some(PageState::Guard);
    }
    page.value.map(|_| PageState::Present {
        exclusive: true,
        file: false,
        huge: false,
        uffd_wp: false,
        soft_dirty: false,
    })
}

fn protection(prot: Prot) -> VmFlags {
    VmFlags::from_bits_truncate(u64::from(prot.bits()) & 7)
}

fn numbers(range: SyscallRange) -> impl Iterator<Item = u64> {
    let start = range.addr.page_number();
    let end = range.addr.get().saturating_add(range.len.get());
    (start..end.div_ceil(PAGE_SIZE)).take(MOST_PAGES as usize)
}
