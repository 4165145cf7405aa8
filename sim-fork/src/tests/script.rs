//! A language of one-line steps.
//!
//! ```text
//!   [PROCESS:] OPERATION ARGUMENTS [= EXPECTED]
//!
//!   map 0..10 rw anon        fixed; backings: anon shared file file-private shmem shmem-private
//!                            @N after the backing: page offset N
//!   read 3 / write 0..2 7    EXPECTED: a number, SIGSEGV, SIGBUS, UFFD_WAIT
//!   advise 0..10 dontneed    EXPECTED: an errno, LIVELOCK, any
//!   pages 0..6 = ..xsgF      what pagemap shows, a letter a page
//!   armed 0..3 = w..         where pagemap shows userfaultfd write protection
//!   smaps 0 Rss = 8          a counter of the VMA of page 0
//!   uffd 0..4 missing+wp     and unuffd, wp, unwp, ucopy 0..2 7, ucopy 0..2 from 8, uzero,
//!                            upoison, umove 0..2 from 8
//!   vmas = 0..4 rw-p|4..6 r--p
//! ```
//!
//! Letters of `pages`: `.` nothing, `x` a page mapped once, `s` a page mapped otherwise (zero page
//! too), `X` and `S` the same of an object, `g` guard, `p` poison, `w` write-protection marker,
//! `o` swapped out; `H` and `h`: huge, mapped once and otherwise.
//!
//! Page numbers count from a base address. Without EXPECTED a step must succeed.

use std::collections::BTreeMap;

use sim_core::{
    Access, Advice, Bytes, Call, FileId, MapFlags, MmapArgs, MremapArgs, MremapFlags, Outcome,
    PageState, Pid, Prot, Setup, Snapshot, SnapshotLevel, SyscallRange, UffdCopySource, UffdMode,
    VirtAddr,
};

use crate::{SimBackend, new_machine};

const BASE: u64 = 0x1000_0000_0000;

/// Runs a script.
#[track_caller]
pub(super) fn run(setup: &Setup, lines: &str) {
    let mut script = Script::new(setup);
    script.place = format!("{} {:?}", setup.profile, setup.arch);
    script.steps(lines);
    script.finish();
}

pub(super) struct Script {
    machine: Box<dyn SimBackend>,
    names: BTreeMap<String, Pid>,
    /// What messages begin with.
    place: String,
}

pub(super) fn page(number: u64) -> VirtAddr {
    VirtAddr::new(BASE).add_pages(number)
}

/// `3`, `2..4`.
fn parse_range(text: &str) -> SyscallRange {
    let (first, end) = match text.split_once("..") {
        Some((first, end)) => (parse(first), parse(end)),
        None => (parse(text), parse(text) + 1),
    };
    SyscallRange::new(page(first), Bytes::from_pages(end - first))
}

fn parse(text: &str) -> u64 {
    let number = text.parse();
    number.unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn parse_prot(text: &str) -> Prot {
    text.chars().fold(Prot::default(), |prot, c| {
        prot | match c {
            'r' => Prot::READ,
            'w' => Prot::WRITE,
            'x' => Prot::EXEC,
            '-' => Prot::default(),
            other => panic!("`{other}` is no protection"),
        }
    })
}

fn parse_map(words: &[&str]) -> Call {
    let range = parse_range(words[0]);
    let (backing, at) = words[2].split_once('@').unwrap_or((words[2], "0"));
    let (kind, file) = match backing {
        "anon" => (MapFlags::PRIVATE | MapFlags::ANONYMOUS, None),
        "shared" => (MapFlags::SHARED | MapFlags::ANONYMOUS, None),
        "droppable" => (MapFlags::DROPPABLE | MapFlags::ANONYMOUS, None),
        "file" => (MapFlags::SHARED, Some(FileId(0))),
        "file-private" => (MapFlags::PRIVATE, Some(FileId(0))),
        "shmem" => (MapFlags::SHARED, Some(FileId(1))),
        "shmem-private" => (MapFlags::PRIVATE, Some(FileId(1))),
        other => panic!("`{other}` is no backing"),
    };
    let extra = words[3..].iter().fold(MapFlags::default(), |flags, word| {
        flags
            | match *word {
                "populate" => MapFlags::POPULATE,
                "locked" => MapFlags::LOCKED,
                "growsdown" => MapFlags::GROWSDOWN,
                other => panic!("`{other}` is no flag"),
            }
    });
    Call::Mmap(MmapArgs {
        addr: range.addr,
        len: range.len,
        prot: parse_prot(words[1]),
        flags: kind | MapFlags::FIXED | extra,
        file,
        offset: parse(at) * sim_core::PAGE_SIZE,
    })
}

fn parse_move(words: &[&str]) -> Call {
    let from = parse_range(words[0]);
    let to = parse_range(words[1]);
    Call::Mremap(MremapArgs {
        addr: from.addr,
        old_len: from.len,
        new_len: to.len,
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
        new_addr: to.addr,
    })
}

fn parse_uffd(text: &str) -> UffdMode {
    text.split('+').fold(UffdMode::empty(), |modes, mode| {
        modes
            | match mode {
                "missing" => UffdMode::MISSING,
                "wp" => UffdMode::WP,
                "minor" => UffdMode::MINOR,
                other => panic!("`{other}` is no mode"),
            }
    })
}

/// What is asked of a userfaultfd; `None` for other operations.
fn parse_uffd_call(words: &[&str]) -> Option<Call> {
    let range = parse_range(words.get(1)?);
    Some(match words[0] {
        "uffd" => Call::UffdRegister {
            range,
            mode: parse_uffd(words[2]),
        },
        "unuffd" => Call::UffdUnregister(range),
        "wp" | "unwp" => Call::UffdWriteprotect {
            range,
            on: words[0] == "wp",
        },
        "ucopy" => Call::UffdCopy {
            range,
            source: match words[2] {
                "from" => UffdCopySource::Memory(page(parse(words[3]))),
                value => UffdCopySource::Value(parse(value) as u8),
            },
            wp: words.last() == Some(&"wp"),
        },
        "ucontinue" => Call::UffdContinue {
            range,
            wp: words.last() == Some(&"wp"),
        },
        "uzero" => Call::UffdZeropage(range),
        "upoison" => Call::UffdPoison(range),
        "umove" => Call::UffdMove {
            range,
            from: page(parse(words[3])),
        },
        _ => return None,
    })
}

fn armed_letter(state: PageState) -> char {
    match state {
        PageState::Present { uffd_wp: true, .. }
        | PageState::Swap { uffd_wp: true, .. }
        | PageState::Marker => 'w',
        PageState::Present { .. }
        | PageState::Swap { .. }
        | PageState::Guard
        | PageState::Poison
        | PageState::Migration => '.',
    }
}

fn access(range: &str, access: Access) -> Call {
    Call::Access {
        range: parse_range(range),
        access,
    }
}

fn state_letter(state: PageState) -> char {
    match state {
        PageState::Present {
            exclusive,
            file,
            huge,
            ..
        } => match (huge, file, exclusive) {
            (true, _, true) => 'H',
            (true, _, false) => 'h',
            (false, false, true) => 'x',
            (false, false, false) => 's',
            (false, true, true) => 'X',
            (false, true, false) => 'S',
        },
        PageState::Swap { .. } => 'o',
        PageState::Guard => 'g',
        PageState::Poison => 'p',
        PageState::Marker => 'w',
        PageState::Migration => 'm',
    }
}

impl Script {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            machine: new_machine(setup).expect("a machine can be made"),
            names: BTreeMap::from([("main".to_owned(), Pid::MAIN)]),
            place: String::new(),
        }
    }

    /// Runs steps, one a line.
    #[track_caller]
    pub(super) fn steps(&mut self, lines: &str) {
        for (number, line) in lines.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let place = format!("{} line {number}: {line}", self.place);
                self.step(line, &place);
            }
        }
    }

    /// A view of a process.
    #[track_caller]
    pub(super) fn dump(&mut self, pid: Pid, what: crate::DumpKind) -> String {
        let text = self.machine.dump(pid, "main", what);
        text.expect("a live process")
    }

    #[track_caller]
    fn step(&mut self, line: &str, place: &str) {
        let (process, rest) = match line.split_once(": ") {
            Some((process, rest)) => (process, rest),
            None => ("main", line),
        };
        let (action, expected) = match rest.split_once(" =") {
            Some((action, expected)) => (action, Some(expected.trim())),
            None => (rest, None),
        };
        let pid = *self.names.get(process).expect("a process of the script");
        let words: Vec<_> = action.split_whitespace().collect();
        match words[0] {
            "pages" => {
                let got = self.pages(pid, parse_range(words[1]), state_letter);
                assert_eq!(got, expected.expect("pages"), "{place}");
            }
            "armed" => {
                let got = self.pages(pid, parse_range(words[1]), armed_letter);
                assert_eq!(got, expected.expect("pages"), "{place}");
            }
            "smaps" => {
                let got = self.counter(pid, parse_range(words[1]).addr, words[2]);
                assert_eq!(got, parse(expected.expect("a number")), "{place}");
            }
            "vmas" => assert_eq!(self.vmas(pid), expected.expect("VMAs"), "{place}"),
            "flags" => {
                let got = self.flags(pid, parse_range(words[1]).addr);
                assert_eq!(got, expected.expect("flags"), "{place}");
            }
            _ => self.call_step(pid, &words, expected, place),
        }
    }

    #[track_caller]
    fn call_step(&mut self, pid: Pid, words: &[&str], expected: Option<&str>, place: &str) {
        let call = self.parse_call(words);
        let outcome = self.machine.run(pid, &call);
        let outcome = outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
        let got = match outcome {
            Outcome::Value(value) if expected.is_some() => value.to_string(),
            Outcome::Value(_) => "ok".to_owned(),
            other => other.to_string(),
        };
        if expected != Some("any") {
            assert_eq!(got, expected.unwrap_or("ok"), "{place}");
        }
        if let Err(broken) = self.machine.check_invariants() {
            panic!("{place}: {broken}");
        }
    }

    fn parse_call(&mut self, words: &[&str]) -> Call {
        match words[0] {
            "map" => parse_map(&words[1..]),
            "unmap" => Call::Munmap(parse_range(words[1])),
            "read" => access(words[1], Access::Read),
            "exec" => access(words[1], Access::Exec),
            "write" => {
                let value = words.get(2).map(|value| parse(value) as u8);
                access(words[1], Access::Write(value))
            }
            "protect" => Call::Mprotect {
                range: parse_range(words[1]),
                prot: parse_prot(words[2]),
                pkey: None,
            },
            "advise" => Call::Madvise {
                range: parse_range(words[1]),
                advice: Advice::from_name(words[2]).expect("a known advice"),
            },
            "move" => parse_move(&words[1..]),
            "lock" => Call::Mlock {
                range: parse_range(words[1]),
                onfault: words.get(2) == Some(&"onfault"),
            },
            "unlock" => Call::Munlock(parse_range(words[1])),
            "sync" => Call::Msync(parse_range(words[1])),
            "fork" | "clone" => {
                let child = Pid(self.names.len() as u32);
                self.names.insert(words[1].to_owned(), child);
                let share = words[0] == "clone";
                Call::Fork { child, share }
            }
            "exit" => Call::Exit,
            "khugepaged" => Call::Khugepaged {
                passes: parse(words[1]) as u32,
            },
            "execve" => Call::Execve { stack: None },
            "inject" => Call::InjectAllocFailure {
                nth: parse(words[1]) as u32,
            },
            other => parse_uffd_call(words).unwrap_or_else(|| panic!("`{other}` is no operation")),
        }
    }

    fn snapshot(&mut self, pid: Pid) -> Snapshot {
        let snapshot = self.machine.snapshot(pid, SnapshotLevel::All);
        snapshot.expect("a live process")
    }

    fn pages(&mut self, pid: Pid, range: SyscallRange, show: fn(PageState) -> char) -> String {
        let snapshot = self.snapshot(pid);
        let letter = |at: VirtAddr| {
            let run = snapshot.pages.iter().find(|run| run.range.contains(at));
            run.map_or('.', |run| show(run.state))
        };
        (0..range.len.pages())
            .map(|i| letter(range.addr.add_pages(i)))
            .collect()
    }

    fn counter(&mut self, pid: Pid, at: VirtAddr, name: &str) -> u64 {
        let snapshot = self.snapshot(pid);
        let vma = snapshot.vmas.iter().find(|vma| vma.range.contains(at));
        let vma = vma.expect("a VMA there");
        let counter = vma.smaps.counters().find(|(n, _)| *n == name);
        counter.expect("a counter of smaps").1
    }

    fn flags(&mut self, pid: Pid, at: VirtAddr) -> String {
        let snapshot = self.snapshot(pid);
        let vma = snapshot.vmas.iter().find(|vma| vma.range.contains(at));
        let flags = vma.expect("a VMA there").flags;
        flags.mnemonics().collect::<Vec<_>>().join(" ")
    }

    fn vmas(&mut self, pid: Pid) -> String {
        let number = |at: VirtAddr| at.page_number().wrapping_sub(page(0).page_number());
        let shown = |vma: &sim_core::VmaSnapshot| {
            let perms = String::from_utf8(vma.flags.perms().to_vec()).expect("ASCII");
            let (start, end) = (number(vma.range.start()), number(vma.range.end()));
            format!("{start}..{end} {perms}")
        };
        let snapshot = self.snapshot(pid);
        snapshot
            .vmas
            .iter()
            .map(shown)
            .collect::<Vec<_>>()
            .join("|")
    }

    /// Every process ends, and nothing is left.
    #[track_caller]
    fn finish(self) {
        for pid in self.machine.processes() {
            let end = self.machine.run(pid, &Call::Exit);
            assert_eq!(end, Ok(Outcome::OK));
        }
        if let Err(broken) = self.machine.check_invariants() {
            panic!("after the end: {broken}");
        }
    }
}
