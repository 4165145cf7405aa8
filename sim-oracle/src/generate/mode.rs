//! What a run of the generator is about: which operations it uses, how often, in what world.

use rand::Rng as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use sim_core::{
    Access, Advice, Bytes, Call, FileId, FileKind, FileSpec, MapFlags, MmapArgs, PAGE_SIZE,
    PMD_PAGES, Prot, Setup, SyscallRange, ThpEnabled, UffdFeatures, VirtAddr,
};

/// The subject of generated runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// VMAs of private anonymous memory.
    Anon,
    /// File mappings, truncation.
    File,
    /// Shared memory.
    Shared,
    /// Several processes, copy-on-write.
    Processes,
    /// Guard regions among everything else.
    Guard,
    /// Limits: number of VMAs, locked memory, address space, data.
    Limits,
    /// Addresses that the kernel chooses.
    AddressChoice,
    /// Huge pages.
    Huge,
    /// Parts of huge pages: moved, forked, discarded, protected, reclaimed, collapsed.
    HugeParts,
    /// userfaultfd.
    Uffd,
    /// Reclaim, lazy freeing, clearing of references.
    Reclaim,
    /// Swapping out and in.
    Swap,
    /// Long runs of several processes with memory of all sizes, mostly where the kernel puts it. No
    /// part of the others: what it makes takes time to compare.
    Roomy,
    /// All operations at once, senseless arguments, other userfaultfd features.
    Wild,
    /// Any of the others, chosen anew for each run.
    Mixed,
}

impl Mode {
    /// Every mode with its name on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("anon", Self::Anon),
        ("file", Self::File),
        ("shared", Self::Shared),
        ("processes", Self::Processes),
        ("guard", Self::Guard),
        ("limits", Self::Limits),
        ("address", Self::AddressChoice),
        ("huge", Self::Huge),
        ("hugeparts", Self::HugeParts),
        ("uffd", Self::Uffd),
        ("reclaim", Self::Reclaim),
        ("swap", Self::Swap),
        ("roomy", Self::Roomy),
        ("wild", Self::Wild),
        ("mixed", Self::Mixed),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, mode)| *mode == self)
            .map_or("mixed", |(name, _)| name)
    }

    /// How many calls a run has.
    pub(crate) const fn run_length(self) -> usize {
        match self {
            Self::Roomy => 300,
            _ => 60,
        }
    }

    /// The modes that others are made of.
    pub(crate) const SINGLE: &'static [Self] = &[
        Self::Anon,
        Self::File,
        Self::Shared,
        Self::Processes,
        Self::Guard,
        Self::Limits,
        Self::AddressChoice,
        Self::Huge,
        Self::HugeParts,
        Self::Uffd,
        Self::Reclaim,
        Self::Swap,
        Self::Wild,
    ];
}

/// Kinds of calls that the generator chooses from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Op {
    Mmap,
    MmapFile,
    MmapShared,
    MmapAnywhere,
    Munmap,
    Mprotect,
    MremapResize,
    MremapMove,
    AdviseFlags,
    AdviseDiscard,
    AdvisePopulate,
    Guard,
    Unguard,
    Mlock,
    Munlock,
    Mlockall,
    Munlockall,
    Mseal,
    Brk,
    Msync,
    Mincore,
    Mbind,
    Uffd,
    UffdFill,
    Read,
    Write,
    Exec,
    Fork,
    Exit,
    Execve,
    Collapse,
    Reclaim,
    ClearRefs,
    Truncate,
    PunchHole,
    Clone,
    Odd,
}

/// Operations that only the wild mode has.
const WILD: &[(Op, u32)] = &[
    (Op::Odd, 6),
    (Op::Clone, 1),
    (Op::Mlockall, 1),
    (Op::Munlockall, 1),
];

/// The operations of a mode and their weights.
#[expect(clippy::too_many_lines, reason = "one table")]
pub(crate) fn weights(mode: Mode) -> Vec<(Op, u32)> {
    use Op::{
        AdviseDiscard, AdviseFlags, AdvisePopulate, Brk, ClearRefs, Collapse, Exec, Execve, Exit,
        Fork, Guard, Mbind, Mincore, Mlock, Mlockall, Mmap, MmapAnywhere, MmapFile, MmapShared,
        Mprotect, MremapMove, MremapResize, Mseal, Msync, Munlock, Munlockall, Munmap, PunchHole,
        Read, Reclaim, Truncate, Uffd, UffdFill, Unguard, Write,
    };
    if mode == Mode::Wild {
        return wild();
    }
    if mode == Mode::HugeParts {
        return huge_parts();
    }
    if mode == Mode::Roomy {
        return ROOMY.to_vec();
    }
    let base = [
        (Mmap, 10),
        (Munmap, 5),
        (Mprotect, 8),
        (MremapResize, 3),
        (MremapMove, 5),
        (AdviseFlags, 3),
        (Read, 3),
        (Write, 6),
    ];
    let rare = [
        (AdviseDiscard, 1),
        (AdvisePopulate, 1),
        (Mlock, 1),
        (Munlock, 1),
        (Mincore, 1),
        (Msync, 1),
        (Exec, 1),
    ];
    let more: &[(Op, u32)] = match mode {
        Mode::Anon => &[
            (Brk, 2),
            (Mlock, 2),
            (Munlock, 2),
            (Mseal, 1),
            (Mbind, 1),
            (AdviseDiscard, 2),
        ],
        Mode::File => &[
            (MmapFile, 14),
            (Truncate, 1),
            (PunchHole, 1),
            (AdviseDiscard, 3),
            (Read, 6),
            (Exec, 1),
        ],
        Mode::Shared => &[
            (MmapShared, 14),
            (Fork, 1),
            (PunchHole, 1),
            (AdviseDiscard, 3),
            (Read, 5),
        ],
        Mode::Processes => &[
            (Fork, 4),
            (Exit, 2),
            (MmapFile, 3),
            (MmapShared, 3),
            (Write, 8),
            (Read, 4),
            (Brk, 1),
            (AdviseDiscard, 2),
            (Execve, 1),
        ],
        Mode::Guard => &[
            (Guard, 12),
            (Unguard, 5),
            (MmapFile, 4),
            (MmapShared, 4),
            (Fork, 2),
            (Exit, 1),
            (AdviseDiscard, 4),
            (AdvisePopulate, 2),
        ],
        Mode::Limits => &[
            (Brk, 3),
            (Mlock, 6),
            (Munlock, 3),
            (Mlockall, 2),
            (Munlockall, 2),
            (Op::Odd, 2),
            (MmapAnywhere, 2),
            (Fork, 1),
        ],
        Mode::AddressChoice => &[(MmapAnywhere, 20), (Brk, 2), (MmapFile, 2), (MmapShared, 2)],
        Mode::Huge => &[
            (Collapse, 6),
            (Write, 8),
            (Reclaim, 4),
            (Guard, 2),
            (Unguard, 1),
            (Fork, 2),
            (Exit, 1),
            (AdviseFlags, 6),
            (AdviseDiscard, 3),
            (MmapShared, 3),
            (ClearRefs, 1),
        ],
        Mode::Uffd => &[
            (Uffd, 14),
            (UffdFill, 10),
            (MmapShared, 3),
            (Guard, 1),
            (Unguard, 1),
            (Fork, 1),
            (AdviseDiscard, 2),
        ],
        Mode::Reclaim => &[
            (Reclaim, 6),
            (AdviseDiscard, 6),
            (MmapFile, 5),
            (MmapShared, 3),
            (ClearRefs, 4),
            (Fork, 1),
            (Write, 6),
            (Read, 6),
        ],
        Mode::Swap => &[
            (Reclaim, 30),
            (Write, 40),
            (Read, 15),
            (Fork, 6),
            (Exit, 3),
            (AdviseDiscard, 6),
            (AdvisePopulate, 3),
            (MmapShared, 3),
            (Mlock, 1),
            (Uffd, 3),
            (UffdFill, 2),
            (Guard, 2),
            (ClearRefs, 1),
        ],
        Mode::HugeParts | Mode::Roomy => unreachable!("it has a table of its own"),
        Mode::Wild => unreachable!("the wild mode is made of all others"),
        Mode::Mixed => unreachable!("a mixed run has been given a single mode"),
    };
    [base.as_slice(), rare.as_slice(), more].concat()
}

/// A run of it begins with huge pages, so that all can be about what becomes of them.
fn huge_parts() -> Vec<(Op, u32)> {
    vec![
        (Op::Mmap, 2),
        (Op::MmapShared, 1),
        (Op::Munmap, 3),
        (Op::Mprotect, 3),
        (Op::MremapMove, 12),
        (Op::MremapResize, 1),
        (Op::AdviseFlags, 3),
        (Op::AdviseDiscard, 8),
        (Op::Truncate, 1),
        (Op::PunchHole, 1),
        (Op::AdvisePopulate, 1),
        (Op::Reclaim, 8),
        (Op::Collapse, 8),
        (Op::Guard, 2),
        (Op::Unguard, 1),
        (Op::Uffd, 3),
        (Op::UffdFill, 3),
        (Op::Read, 6),
        (Op::Write, 14),
        (Op::Fork, 5),
        (Op::Exit, 3),
        (Op::Mlock, 1),
        (Op::Munlock, 1),
        (Op::ClearRefs, 2),
    ]
}

/// The first calls of a run, whose own `variant` is.
pub(crate) fn prologue(mode: Mode, variant: usize) -> Vec<Call> {
    const BLOCKS: u64 = 3;
    if mode != Mode::HugeParts {
        return Vec::new();
    }
    let (kind, file) = match variant {
        2 => (MapFlags::SHARED | MapFlags::ANONYMOUS, None),
        3 => (MapFlags::DROPPABLE | MapFlags::ANONYMOUS, None),
        4 => (MapFlags::SHARED, Some(FileId(2))),
        5 => (MapFlags::PRIVATE, Some(FileId(2))),
        _ => (MapFlags::PRIVATE | MapFlags::ANONYMOUS, None),
    };
    let start = arena(mode).start;
    let range = SyscallRange::new(start, Bytes::from_pages(BLOCKS * PMD_PAGES));
    let advise = |advice| Call::Madvise { range, advice };
    let write = |block: u64| Call::Access {
        range: SyscallRange::new(start.add_pages(block * PMD_PAGES), Bytes::from_pages(1)),
        access: Access::Write(Some(block as u8)),
    };
    let map = Call::Mmap(MmapArgs {
        addr: start,
        len: range.len,
        prot: Prot::READ | Prot::WRITE,
        flags: kind | MapFlags::FIXED,
        file,
        offset: 0,
    });
    let mut calls = vec![map, advise(Advice::Hugepage)];
    calls.extend((0..BLOCKS).map(write));
    if file.is_some() || kind.contains(MapFlags::SHARED) {
        calls.push(advise(Advice::Collapse));
        calls.push(Call::Madvise {
            range: SyscallRange::new(start, Bytes::from_pages(PMD_PAGES)),
            advice: Advice::Pageout,
        });
    }
    calls
}

/// The operations of all other modes, each at its usual weight, and more.
fn wild() -> Vec<(Op, u32)> {
    let mut all: Vec<(Op, u32)> = WILD.to_vec();
    let others = Mode::SINGLE.iter().filter(|mode| **mode != Mode::Wild);
    for (op, weight) in others.flat_map(|mode| weights(*mode)) {
        match all.iter_mut().find(|(known, _)| *known == op) {
            Some((_, known)) => *known = (*known).max(weight.min(8)),
            None => all.push((op, weight.min(8))),
        }
    }
    all
}

/// Whatever programs do.
const ROOMY: &[(Op, u32)] = &[
    (Op::Mmap, 4),
    (Op::MmapAnywhere, 12),
    (Op::MmapFile, 6),
    (Op::MmapShared, 6),
    (Op::Munmap, 6),
    (Op::Mprotect, 8),
    (Op::MremapResize, 5),
    (Op::MremapMove, 5),
    (Op::AdviseFlags, 6),
    (Op::AdviseDiscard, 6),
    (Op::AdvisePopulate, 3),
    (Op::Collapse, 3),
    (Op::Reclaim, 2),
    (Op::Guard, 5),
    (Op::Unguard, 2),
    (Op::Mlock, 3),
    (Op::Munlock, 2),
    (Op::Mseal, 1),
    (Op::Brk, 3),
    (Op::Uffd, 4),
    (Op::UffdFill, 4),
    (Op::Read, 8),
    (Op::Write, 14),
    (Op::Exec, 1),
    (Op::Fork, 3),
    (Op::Exit, 2),
    (Op::Execve, 1),
    (Op::ClearRefs, 1),
];

/// The world of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arena {
    pub(crate) start: VirtAddr,
    pub(crate) pages: u64,
    /// The longest range, in pages, that is usual.
    pub(crate) usual: u64,
}

pub(crate) fn arena(mode: Mode) -> Arena {
    let start = VirtAddr::new(0x1000_0000_0000);
    match mode {
        Mode::Huge | Mode::HugeParts => Arena {
            start,
            pages: 4 * PMD_PAGES,
            usual: 2 * PMD_PAGES,
        },
        Mode::Roomy => Arena {
            start,
            pages: 16 * PMD_PAGES,
            usual: 3 * PMD_PAGES,
        },
        _ => Arena {
            start,
            pages: 24,
            usual: 7,
        },
    }
}

/// Places where Linux does something of its own: the lowest addresses, the first 2 MiB, what
/// `MAP_32BIT` searches, the heap, and right below where mappings without an address begin.
const PLACES: &[u64] = &[
    0x1_0000,
    0x1f_8000,
    0x3fff_8000,
    0x5555_5554_c000,
    0x7fff_f7fd_0000,
];

/// Where one run of a mode takes place: mostly in the usual arena, now and then at one of
/// [`PLACES`].
pub(crate) fn place(mode: Mode, rng: &mut SmallRng) -> Arena {
    let mut arena = arena(mode);
    let large = matches!(mode, Mode::Huge | Mode::HugeParts | Mode::Roomy);
    if !large && rng.random_bool(0.2) {
        let start = *PLACES.choose(rng).expect("there are places");
        arena.start = VirtAddr::new(start);
    }
    arena
}

/// The files of generated runs: what their kinds and sizes are is part of the interface between
/// setup and generator.
pub(crate) fn files(mode: Mode) -> Vec<FileSpec> {
    let pages = if matches!(mode, Mode::Huge | Mode::HugeParts | Mode::Roomy) {
        3 * PMD_PAGES
    } else {
        12
    };
    let file = |name: &str, kind, bytes| FileSpec {
        name: name.to_owned(),
        kind,
        size: Bytes(bytes),
        fill: None,
    };
    vec![
        file("data", FileKind::Regular, 12 * PAGE_SIZE),
        file("odd", FileKind::Regular, 5 * PAGE_SIZE + 100),
        file("shm", FileKind::Memfd, pages * PAGE_SIZE),
    ]
}

/// Userfaultfd features of wild runs.
const UFFD: &[UffdFeatures] = &[
    UffdFeatures::SIGBUS,
    UffdFeatures::SIGBUS.union(UffdFeatures::WP_UNPOPULATED),
    UffdFeatures::SIGBUS
        .union(UffdFeatures::MINOR_SHMEM)
        .union(UffdFeatures::WP_HUGETLBFS_SHMEM)
        .union(UffdFeatures::POISON),
    UffdFeatures::SIGBUS
        .union(UffdFeatures::WP_ASYNC)
        .union(UffdFeatures::WP_UNPOPULATED)
        .union(UffdFeatures::WP_HUGETLBFS_SHMEM),
];

/// Applies a mode to a setup: its files, its limits. `variant` is the run's own.
pub(crate) fn prepare(mode: Mode, variant: usize, setup: &mut Setup) {
    setup.files = files(mode);
    if matches!(mode, Mode::Wild | Mode::Uffd) && variant > 0 {
        setup.uffd = UFFD[variant % UFFD.len()];
    }
    if mode == Mode::Huge && variant > 2 {
        // Huge pages without advice, and what keeps khugepaged from making them.
        setup.thp.enabled = ThpEnabled::Always;
        if variant == 4 {
            setup.thp.use_zero_page = false;
        }
        if variant == 5 {
            (setup.thp.max_ptes_none, setup.thp.max_ptes_shared) = (64, 4);
        }
    }
    if mode == Mode::Limits {
        setup.limits.memlock = Some(Bytes::from_pages(16));
        setup.limits.address_space = Some(Bytes::from_pages(48));
        // A soft limit of 0 is none for memory, but is one for the heap.
        let data = if variant == 0 { 0 } else { 32 };
        setup.limits.data = Some(Bytes::from_pages(data));
        setup.limits.stack = Some(Bytes::from_pages(64));
        setup.limits.max_map_count = 12;
    }
}
