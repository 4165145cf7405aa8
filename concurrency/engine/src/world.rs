//! Small machines, and calls on them.

use shuttle::thread;
use sim_core::{
    Access, Advice, Bytes, Call, FileId, FileKind, FileSpec, MapFlags, MmapArgs, Outcome, Pid,
    Profile, Prot, Setup, SyscallRange, VirtAddr,
};
use sim_fork::{DumpKind, SimBackend, new_machine};
use std::sync::Arc;

/// The process that there is at first.
pub const MAIN: Pid = Pid::MAIN;

/// A machine whose threads run at the same time.
#[derive(Clone)]
pub struct World(Arc<dyn SimBackend>);

/// Start and end of the VMA that a line of maps or smaps begins.
fn addresses(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

/// The pages from 1 GiB + 2 MiB on.
fn page(number: u64) -> VirtAddr {
    VirtAddr::new((1 << 30) + (2 << 20) + (number << 12))
}

/// Pages `[first, end)`.
pub fn range(first: u64, end: u64) -> SyscallRange {
    SyscallRange::new(page(first), Bytes::from_pages(end - first))
}

fn mmap(first: u64, end: u64, flags: MapFlags, file: Option<FileId>) -> Call {
    Call::Mmap(MmapArgs {
        addr: page(first),
        len: Bytes::from_pages(end - first),
        prot: Prot::READ | Prot::WRITE,
        flags: flags | MapFlags::FIXED,
        file,
        offset: 0,
    })
}

/// Maps private anonymous memory.
pub fn map(first: u64, end: u64) -> Call {
    mmap(first, end, MapFlags::PRIVATE | MapFlags::ANONYMOUS, None)
}

/// Maps the machine's file of shared memory from its start.
pub fn map_file(first: u64, end: u64) -> Call {
    mmap(first, end, MapFlags::SHARED, Some(FileId(0)))
}

/// Unmaps pages.
pub fn unmap(first: u64, end: u64) -> Call {
    Call::Munmap(range(first, end))
}

/// Changes the protection of pages.
pub fn protect(first: u64, end: u64, prot: Prot) -> Call {
    Call::Mprotect {
        range: range(first, end),
        prot,
        pkey: None,
    }
}

/// Advice about pages.
pub fn advise(first: u64, end: u64, advice: Advice) -> Call {
    Call::Madvise {
        range: range(first, end),
        advice,
    }
}

/// Makes a huge page of the block that begins at page 0.
pub fn collapse() -> Call {
    advise(0, 512, Advice::Collapse)
}

/// Cuts the machine's file down to so many pages.
pub fn truncate(pages: u64) -> Call {
    Call::Truncate {
        file: FileId(0),
        size: Bytes::from_pages(pages),
    }
}

/// Reads pages.
pub fn read(first: u64, end: u64) -> Call {
    Call::Access {
        range: range(first, end),
        access: Access::Read,
    }
}

/// Writes a value to pages.
pub fn write(first: u64, end: u64, value: u8) -> Call {
    Call::Access {
        range: range(first, end),
        access: Access::Write(Some(value)),
    }
}

/// Makes a child process.
pub fn fork(child: Pid) -> Call {
    Call::Fork {
        child,
        share: false,
    }
}

impl World {
    /// A machine of 6.19 with a file of 2 MiB of shared memory, on which `prepare` ran.
    ///
    /// # Panics
    /// If a call of `prepare` fails.
    pub fn new(prepare: &[Call]) -> Self {
        Self::with(prepare, |_| ())
    }

    /// The same with another set-up.
    ///
    /// # Panics
    /// If a call of `prepare` fails.
    pub fn with(prepare: &[Call], change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new(Profile::V6_19);
        setup.limits.ram = Bytes(32 << 20);
        setup.files = vec![FileSpec {
            name: "shmem".to_owned(),
            kind: FileKind::Memfd,
            size: Bytes::from_pages(512),
            fill: None,
        }];
        change(&mut setup);
        let world = Self(new_machine(&setup).expect("a machine").into());
        for call in prepare {
            let outcome = world.run(MAIN, call);
            assert!(outcome.is_ok(), "{call:?}: {outcome:?}");
        }
        world
    }

    /// A call of a process.
    ///
    /// # Panics
    /// If the machine itself fails.
    pub fn run(&self, pid: Pid, call: &Call) -> Outcome {
        self.0.run(pid, call).expect("the machine runs")
    }

    /// Calls of [`MAIN`] on two threads at the same time; what became of them.
    pub fn both(&self, one: Call, other: Call) -> (Outcome, Outcome) {
        self.both_of((MAIN, one), (MAIN, other))
    }

    /// Calls of two processes at the same time.
    pub fn both_of(&self, one: (Pid, Call), other: (Pid, Call)) -> (Outcome, Outcome) {
        let one = move |it: &Self| it.run(one.0, &one.1);
        self.beside(one, move |it| it.run(other.0, &other.1))
    }

    /// Two things at the same time.
    ///
    /// # Panics
    /// If one of them does.
    pub fn beside<A, B>(
        &self,
        one: impl FnOnce(&Self) -> A + Send + 'static,
        other: impl FnOnce(&Self) -> B,
    ) -> (A, B)
    where
        A: Send + 'static,
    {
        self.0.set_concurrent(true);
        let it = self.clone();
        let thread = thread::spawn(move || one(&it));
        let b = other(self);
        let a = thread.join().expect("the thread is done");
        self.0.set_concurrent(false);
        (a, b)
    }

    /// Does the VMA of a page say that it may have guards? `None`: there is no VMA.
    pub fn flagged(&self, pid: Pid, number: u64) -> Option<bool> {
        let smaps = self.dump(pid, DumpKind::Smaps);
        let mut here = false;
        for line in smaps.lines() {
            if let Some((start, end)) = addresses(line) {
                here = (start..end).contains(&page(number).get());
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| here) {
                return Some(flags.split_whitespace().any(|flag| flag == "gu"));
            }
        }
        None
    }

    /// Does pagemap show a guard at a page?
    pub fn shows_guard(&self, pid: Pid, number: u64) -> bool {
        let pagemap = self.dump(pid, DumpKind::Pagemap);
        let address = format!("{:x}", page(number).get());
        pagemap.lines().any(|line| {
            line.contains(&address) && {
                let bits = line.split_whitespace().last();
                let bits = bits
                    .and_then(|bits| u64::from_str_radix(bits.trim_start_matches("0x"), 16).ok());
                bits.is_some_and(|bits| bits & 1 << 58 != 0)
            }
        })
    }

    fn dump(&self, pid: Pid, what: DumpKind) -> String {
        self.0.dump(pid, "", what).expect("the process is there")
    }

    /// Does a read of a page signal, as guards do?
    pub fn faults(&self, pid: Pid, number: u64) -> bool {
        !self.run(pid, &read(number, number + 1)).is_ok()
    }

    /// How many of these pages are in a VMA of [`MAIN`].
    ///
    /// # Panics
    /// Never.
    pub fn find(&self, pages: &[u64]) -> usize {
        let addresses: Vec<_> = pages.iter().map(|&number| page(number)).collect();
        self.0.find_vmas(MAIN, &addresses).expect("MAIN is there")
    }

    /// How many VMAs [`MAIN`] has.
    ///
    /// # Panics
    /// Never.
    pub fn vmas(&self) -> usize {
        self.0.map_count(MAIN).expect("MAIN is there")
    }

    /// Checks the machine's invariants.
    ///
    /// # Panics
    /// With the name of the first that does not hold.
    #[track_caller]
    pub fn check(&self) {
        if let Err(broken) = self.0.check_invariants() {
            panic!("{broken}");
        }
    }
}
