//! One call of each kind.

use rand::Rng as _;
use sim_core::{
    Access, Advice, Bytes, Call, FileId, MapFlags, MlockallFlags, MmapArgs, MremapArgs,
    MremapFlags, PAGE_SIZE, PMD_PAGES, Pid, Policy, SyscallRange, UffdCopySource, UffdMode,
    VirtAddr,
};

use super::Generator;
use super::args::Args;
use super::mode::{Mode, Op};

/// Where the heap starts in back ends that have it at a known place.
const HEAP: u64 = 0x5555_5555_5000;

pub(super) fn call(generator: &mut Generator, op: Op) -> Call {
    let mode = generator.mode;
    let child = Pid(generator.next_pid);
    let args = &mut generator.args;
    match op {
        Op::Mmap => mmap_anon(args),
        Op::MmapFile => mmap_file(args, &[FileId(0), FileId(0), FileId(1)]),
        Op::MmapShared => mmap_shared(args),
        Op::MmapAnywhere => mmap_anywhere(args),
        Op::Munmap => Call::Munmap(args.range()),
        Op::Mprotect => Call::Mprotect {
            range: args.range(),
            prot: args.prot(),
            pkey: None,
        },
        Op::MremapResize => mremap_resize(args),
        Op::MremapMove => mremap_move(args),
        Op::AdviseFlags => advise(args, flag_advice(mode)),
        Op::AdviseDiscard => advise(args, DISCARD),
        Op::AdvisePopulate => advise(args, &[Advice::PopulateRead, Advice::PopulateWrite]),
        Op::Guard => advise(args, &[Advice::GuardInstall]),
        Op::Unguard => advise(args, &[Advice::GuardRemove]),
        Op::Collapse => advise(args, &[Advice::Collapse]),
        Op::Mlock => Call::Mlock {
            range: args.range(),
            onfault: args.one_in(3),
        },
        Op::Munlock => Call::Munlock(args.range()),
        Op::Mlockall => Call::Mlockall(args.choose(&[
            MlockallFlags::CURRENT,
            MlockallFlags::FUTURE,
            MlockallFlags::CURRENT | MlockallFlags::FUTURE,
            MlockallFlags::CURRENT | MlockallFlags::ONFAULT,
            MlockallFlags::ONFAULT,
        ])),
        Op::Munlockall => Call::Munlockall,
        Op::Mseal => Call::Mseal(args.range()),
        Op::Brk => brk(args),
        Op::Msync => Call::Msync(args.range()),
        Op::Mincore => Call::Mincore(args.range()),
        Op::Mbind => Call::Mbind {
            range: args.range(),
            policy: args.choose(&[
                Policy::Default,
                Policy::Bind(1),
                Policy::Preferred(1),
                Policy::Interleave(1),
                Policy::Local,
            ]),
        },
        Op::Uffd => uffd(args),
        Op::UffdFill => uffd_fill(args),
        Op::Read => access(args, Access::Read),
        Op::Write => {
            let value = args.rng.random_range(1..=9);
            access(args, Access::Write(Some(value)))
        }
        Op::Exec => access(args, Access::Exec),
        Op::Fork => Call::Fork {
            child,
            share: false,
        },
        Op::Clone => Call::Fork { child, share: true },
        Op::Odd => super::odd::call(args),
        Op::Exit => Call::Exit,
        Op::Execve => Call::Execve { stack: None },
        Op::Reclaim if mode == Mode::HugeParts && args.one_in(2) => Call::Madvise {
            range: args.blocks(),
            advice: Advice::Pageout,
        },
        Op::Reclaim => advise(args, &[Advice::Pageout, Advice::Cold]),
        Op::ClearRefs => Call::ClearRefs(args.choose(&[1, 2, 3, 4, 5])),
        Op::Truncate => truncate(mode, args),
        Op::PunchHole => punch_hole(mode, args),
    }
}

const DISCARD: &[Advice] = &[
    Advice::Dontneed,
    Advice::Dontneed,
    Advice::Free,
    Advice::DontneedLocked,
    Advice::Remove,
    Advice::Willneed,
];

const fn flag_advice(mode: Mode) -> &'static [Advice] {
    match mode {
        Mode::Huge | Mode::HugeParts => &[
            Advice::Hugepage,
            Advice::Hugepage,
            Advice::Hugepage,
            Advice::Nohugepage,
        ],
        Mode::Processes => &[
            Advice::Dontfork,
            Advice::Dofork,
            Advice::Wipeonfork,
            Advice::Keeponfork,
            Advice::Random,
        ],
        _ => &[
            Advice::Normal,
            Advice::Random,
            Advice::Sequential,
            Advice::Dontfork,
            Advice::Dofork,
            Advice::Dontdump,
            Advice::Dodump,
            Advice::Wipeonfork,
            Advice::Keeponfork,
            Advice::Hugepage,
            Advice::Nohugepage,
            Advice::Other(77),
        ],
    }
}

fn advise(args: &mut Args, list: &[Advice]) -> Call {
    Call::Madvise {
        range: args.range(),
        advice: args.choose(list),
    }
}

fn access(args: &mut Args, access: Access) -> Call {
    let range = args.touched();
    Call::Access { range, access }
}

/// Flags that may come with any mapping.
fn extra_flags(args: &mut Args) -> MapFlags {
    if !args.one_in(6) {
        return MapFlags::empty();
    }
    args.choose(&[
        MapFlags::NORESERVE,
        MapFlags::POPULATE,
        MapFlags::LOCKED,
        MapFlags::STACK,
        MapFlags::GROWSDOWN,
        MapFlags::POPULATE | MapFlags::NONBLOCK,
    ])
}

/// Mostly at a fixed place.
fn placement(args: &mut Args) -> MapFlags {
    match args.rng.random_range(0..16) {
        0 => MapFlags::empty(),
        1 => MapFlags::FIXED_NOREPLACE,
        _ => MapFlags::FIXED,
    }
}

fn mmap(args: &mut Args, kind: MapFlags, file: Option<FileId>, offset: u64) -> Call {
    let SyscallRange { addr, len } = args.range();
    let flags = kind | placement(args) | extra_flags(args);
    Call::Mmap(MmapArgs {
        addr,
        len,
        prot: args.prot(),
        flags,
        file,
        offset,
    })
}

fn mmap_anon(args: &mut Args) -> Call {
    let kind = if args.one_in(40) {
        MapFlags::DROPPABLE
    } else {
        MapFlags::PRIVATE
    };
    mmap(args, kind | MapFlags::ANONYMOUS, None, 0)
}

/// Often at the offset that fits the address, so that neighbours can merge.
fn mmap_file(args: &mut Args, files: &[FileId]) -> Call {
    let file = args.choose(files);
    let kind = args.choose(&[MapFlags::PRIVATE, MapFlags::PRIVATE, MapFlags::SHARED]);
    let random = args.rng.random_range(0..10) * PAGE_SIZE;
    let congruent = args.rng.random_bool(0.6);
    let mut call = mmap(args, kind, Some(file), random);
    if let Call::Mmap(mmap) = &mut call
        && congruent
    {
        mmap.offset = (mmap.addr.page_number() % 16) * PAGE_SIZE;
    }
    call
}

/// More than any machine has; such a range from the arena ends below all workers.
const VAST: Bytes = Bytes(1 << 45);

fn mmap_shared(args: &mut Args) -> Call {
    if args.one_in(40) {
        return Call::Mmap(MmapArgs {
            addr: VirtAddr::new(args.page()),
            len: VAST,
            prot: args.prot(),
            flags: MapFlags::SHARED | MapFlags::ANONYMOUS,
            file: None,
            offset: 0,
        });
    }
    if args.one_in(3) {
        mmap(args, MapFlags::SHARED | MapFlags::ANONYMOUS, None, 0)
    } else {
        mmap_file(args, &[FileId(2)])
    }
}

fn mmap_anywhere(args: &mut Args) -> Call {
    let mut call = mmap_anon(args);
    if let Call::Mmap(mmap) = &mut call {
        mmap.flags -= MapFlags::FIXED | MapFlags::FIXED_NOREPLACE;
        if args.one_in(2) {
            mmap.addr = VirtAddr::ZERO;
        }
        if args.one_in(8) {
            mmap.flags |= MapFlags::LOW_32BIT;
        }
        if args.one_in(6) {
            mmap.flags -= MapFlags::POPULATE | MapFlags::LOCKED;
            mmap.len = Bytes(args.choose(&[2 << 20, 4 << 20, (2 << 20) + 4096, 1 << 30, 1 << 46]));
        }
    }
    call
}

fn mremap_resize(args: &mut Args) -> Call {
    let SyscallRange { addr, len } = args.range();
    let new_len = Bytes(args.len());
    let flags = args.choose(&[
        MremapFlags::empty(),
        MremapFlags::MAYMOVE,
        MremapFlags::MAYMOVE,
    ]);
    Call::Mremap(MremapArgs {
        addr,
        old_len: len,
        new_len,
        flags,
        new_addr: VirtAddr::ZERO,
    })
}

fn mremap_move(args: &mut Args) -> Call {
    let SyscallRange { addr, len } = args.range();
    let same = args.rng.random_bool(0.75);
    let new_len = if same { len } else { Bytes(args.len()) };
    let fixed = MremapFlags::MAYMOVE | MremapFlags::FIXED;
    let flags = args.choose(&[
        fixed,
        fixed,
        fixed,
        fixed | MremapFlags::DONTUNMAP,
        MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP,
        MremapFlags::FIXED,
    ]);
    let new_addr = VirtAddr::new(args.page());
    args.remember(new_addr.get());
    let old_len = match args.rng.random_range(0..40) {
        0 | 1 => Bytes(0),
        2 if addr.get() < 1 << 46 => VAST,
        _ => len,
    };
    Call::Mremap(MremapArgs {
        addr,
        old_len,
        new_len,
        flags,
        new_addr,
    })
}

fn brk(args: &mut Args) -> Call {
    if args.one_in(6) {
        return Call::Brk(VirtAddr::ZERO);
    }
    let pages = args.rng.random_range(0..10);
    let odd = if args.one_in(4) { 0x123 } else { 0 };
    Call::Brk(VirtAddr::new(HEAP + pages * PAGE_SIZE + odd))
}

/// A hole, mostly of whole pages. In the mode about huge pages it is anywhere in three of them.
fn punch_hole(mode: Mode, args: &mut Args) -> Call {
    let mut part = || {
        if args.one_in(4) {
            args.choose(&[1, 100, 4000])
        } else {
            0
        }
    };
    let (before, more) = (part(), part());
    let (file, first, most) = match mode {
        Mode::HugeParts => (FileId(2), 0..3 * PMD_PAGES, 600),
        _ => (args.choose(&[FileId(0), FileId(1), FileId(2)]), 0..8, 4),
    };
    Call::PunchHole {
        file,
        offset: args.rng.random_range(first) * PAGE_SIZE + before,
        len: Bytes(args.rng.random_range(0..most) * PAGE_SIZE + more),
    }
}

fn truncate(mode: Mode, args: &mut Args) -> Call {
    if mode == Mode::HugeParts {
        let pages = args.rng.random_range(2 * PMD_PAGES..=3 * PMD_PAGES);
        return Call::Truncate {
            file: FileId(2),
            size: Bytes(pages * PAGE_SIZE + args.choose(&[0, 0, 0, 100])),
        };
    }
    let pages = args.rng.random_range(0..14);
    let odd = if args.one_in(8) { 100 } else { 0 };
    Call::Truncate {
        file: args.choose(&[FileId(0), FileId(1), FileId(2)]),
        size: Bytes(pages * PAGE_SIZE + odd),
    }
}

fn uffd(args: &mut Args) -> Call {
    let range = args.range();
    match args.rng.random_range(0..6) {
        0 | 1 => Call::UffdRegister {
            range,
            mode: args.choose(&[
                UffdMode::MISSING,
                UffdMode::WP,
                UffdMode::WP,
                UffdMode::MISSING | UffdMode::WP,
                UffdMode::MINOR,
                UffdMode::empty(),
            ]),
        },
        2 => Call::UffdUnregister(range),
        _ => Call::UffdWriteprotect {
            range,
            on: args.rng.random_bool(0.7),
        },
    }
}

fn uffd_fill(args: &mut Args) -> Call {
    let mut range = args.range();
    if range.len.pages() > 64 {
        range.len = Bytes::from_pages(2);
    }
    match args.rng.random_range(0..6) {
        0 | 1 => Call::UffdCopy {
            range,
            source: UffdCopySource::Value(args.rng.random_range(1..9)),
            wp: args.one_in(3),
        },
        4 => Call::UffdContinue {
            range,
            wp: args.one_in(3),
        },
        2 => Call::UffdZeropage(range),
        3 => Call::UffdPoison(range),
        _ => Call::UffdMove {
            range,
            from: VirtAddr::new(args.page()),
        },
    }
}
