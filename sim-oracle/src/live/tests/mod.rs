//! Facts about the running kernel, asked through calls: they test the back end, and tell where a
//! kernel differs from what vmsim takes for granted. Where the kernel cannot be asked, each says so.

mod files;
mod fork;
mod guard;
mod huge;
mod limits;
mod process;
mod uffd;
mod vmas;

use sim_core::{
    Access, Advice, Backend as _, Bytes, Call, Errno, FileId, FileKind, FileSpec, MapFlags,
    MmapArgs, Outcome, PAGE_SIZE, PageState, Pid, Profile, Prot, Setup, Signal, Snapshot,
    SnapshotLevel, SyscallRange, VirtAddr,
};

use super::{LiveKernel, availability};

const ARENA: u64 = 0x1000_0000_0000;
const MAIN: Pid = Pid::MAIN;
const CHILD: Pid = Pid(1);
const SEGV: Outcome = Outcome::Signal(Signal::SIGSEGV);
const BUS: Outcome = Outcome::Signal(Signal::SIGBUS);

const fn errno(errno: Errno) -> Outcome {
    Outcome::Errno(errno)
}

const fn byte(value: u64) -> Outcome {
    Outcome::Value(value)
}

/// A run on the live kernel in which pages have small numbers.
struct Run {
    live: LiveKernel,
}

/// A run, or nothing where the kernel cannot be asked, which is said.
fn run_with(change: impl FnOnce(&mut Setup)) -> Option<Run> {
    let mut setup = Setup::new(Profile::V6_18Stable);
    change(&mut setup);
    if let Err(why) = availability() {
        println!("SKIPPED: {why}");
        return None;
    }
    if let Some(why) = super::not_compared().first() {
        println!("SKIPPED: {why}");
        return None;
    }
    match LiveKernel::new(&setup) {
        Ok(live) => Some(Run { live }),
        Err(super::LiveError::NotPossible(why)) => {
            println!("SKIPPED: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn run() -> Option<Run> {
    run_with(|_| ())
}

fn file(kind: FileKind, pages: u64) -> FileSpec {
    FileSpec {
        name: "data".to_owned(),
        kind,
        size: Bytes::from_pages(pages),
        fill: None,
    }
}

fn at(page: u64, pages: u64) -> SyscallRange {
    let addr = VirtAddr::new(ARENA + page * PAGE_SIZE);
    SyscallRange::new(addr, Bytes::from_pages(pages))
}

fn advice(page: u64, pages: u64, advice: Advice) -> Call {
    Call::Madvise {
        range: at(page, pages),
        advice,
    }
}

fn read(page: u64, pages: u64) -> Call {
    Call::Access {
        range: at(page, pages),
        access: Access::Read,
    }
}

fn write(page: u64, pages: u64, value: u8) -> Call {
    Call::Access {
        range: at(page, pages),
        access: Access::Write(Some(value)),
    }
}

const FORK: Call = Call::Fork {
    child: CHILD,
    share: false,
};

impl Run {
    #[track_caller]
    fn expect_in(&mut self, pid: Pid, call: &Call, outcome: Outcome) -> &mut Self {
        let got = self.live.call(pid, call);
        assert_eq!(got, Ok(outcome), "{call:?}");
        self
    }

    #[track_caller]
    fn expect(&mut self, call: &Call, outcome: Outcome) -> &mut Self {
        self.expect_in(MAIN, call, outcome)
    }

    #[track_caller]
    fn ok(&mut self, call: &Call) -> &mut Self {
        self.expect(call, Outcome::OK)
    }

    /// Maps pages at a fixed place.
    #[track_caller]
    fn map(&mut self, page: u64, pages: u64, flags: MapFlags) -> &mut Self {
        self.map_prot(page, pages, flags, Prot::READ | Prot::WRITE)
    }

    /// The same with a protection; without `ANONYMOUS` it is file 0 at the same page.
    #[track_caller]
    fn map_prot(&mut self, page: u64, pages: u64, flags: MapFlags, prot: Prot) -> &mut Self {
        let SyscallRange { addr, len } = at(page, pages);
        let anonymous = flags.contains(MapFlags::ANONYMOUS);
        let call = Call::Mmap(MmapArgs {
            addr,
            len,
            prot,
            flags: flags | MapFlags::FIXED,
            file: (!anonymous).then_some(FileId(0)),
            offset: if anonymous { 0 } else { page * PAGE_SIZE },
        });
        self.expect(&call, Outcome::Value(addr.get()))
    }

    #[track_caller]
    fn anon(&mut self, page: u64, pages: u64) -> &mut Self {
        self.map(page, pages, MapFlags::PRIVATE | MapFlags::ANONYMOUS)
    }

    #[track_caller]
    fn snapshot(&mut self, pid: Pid) -> Snapshot {
        self.live
            .snapshot(pid, SnapshotLevel::All)
            .expect("a live process has a state")
    }

    /// A letter for each of so many pages: `.` none, `A` anonymous and exclusive, `a` anonymous,
    /// `F` `f` of a file, `g` guard, `x` poison, `m` marker, `s` swap; `+` after it: write-protected.
    #[track_caller]
    fn pages(&mut self, pid: Pid, pages: u64) -> String {
        let snapshot = self.snapshot(pid);
        (0..pages)
            .map(|page| letters(&snapshot, at(page, 1).addr))
            .collect()
    }

    #[track_caller]
    fn has_pages(&mut self, pid: Pid, pages: &str) -> &mut Self {
        let count = pages.chars().filter(|letter| *letter != '+').count();
        assert_eq!(self.pages(pid, count as u64), pages);
        self
    }

    /// VMAs as `start+pages perms flags…`, the flags that every mapping may have left out.
    #[track_caller]
    fn has_vmas(&mut self, pid: Pid, vmas: &[&str]) -> &mut Self {
        let snapshot = self.snapshot(pid);
        let got: Vec<_> = snapshot.vmas.iter().map(vma_text).collect();
        assert_eq!(got, vmas);
        self
    }
}

fn letters(snapshot: &Snapshot, addr: VirtAddr) -> String {
    let run = snapshot.pages.iter().find(|run| run.range.contains(addr));
    let Some(run) = run else {
        return ".".to_owned();
    };
    let (letter, protected) = match run.state {
        PageState::Present {
            exclusive,
            file,
            uffd_wp,
            ..
        } => match (file, exclusive) {
            (true, true) => ('F', uffd_wp),
            (true, false) => ('f', uffd_wp),
            (false, true) => ('A', uffd_wp),
            (false, false) => ('a', uffd_wp),
        },
        PageState::Swap { uffd_wp, .. } => ('s', uffd_wp),
        PageState::Guard => ('g', false),
        PageState::Poison => ('x', false),
        PageState::Marker => ('m', false),
        PageState::Migration => ('M', false),
    };
    let plus = if protected { "+" } else { "" };
    format!("{letter}{plus}")
}

fn vma_text(vma: &sim_core::VmaSnapshot) -> String {
    let start = (vma.range.start().get() - ARENA) / PAGE_SIZE;
    let perms = vma.flags.perms();
    let mut text = format!(
        "{start}+{} {}",
        vma.range.pages(),
        String::from_utf8_lossy(&perms)
    );
    let usual = ["rd", "wr", "ex", "sh", "mr", "mw", "me", "ms"];
    for name in vma.flags.mnemonics().filter(|name| !usual.contains(name)) {
        text.push(' ');
        text.push_str(name);
    }
    text
}
