//! Calls with arguments that make no sense, or little.

use rand::Rng as _;
use sim_core::{
    Access, Advice, Bytes, Call, FileId, MapFlags, MlockallFlags, MmapArgs, MremapArgs,
    MremapFlags, Policy, Prot, SyscallRange, UffdCopySource, UffdMode, VirtAddr,
};

use super::args::Args;

pub(super) fn call(args: &mut Args) -> Call {
    let range = args.range();
    match args.rng.random_range(0..13) {
        0..=2 => mmap(args, range),
        3 | 4 => mremap(args, range),
        5 => Call::Madvise {
            range,
            advice: madvise(args),
        },
        6 => Call::Mprotect {
            range,
            prot: args.choose(&[
                Prot::GROWSDOWN | Prot::READ,
                Prot::GROWSUP | Prot::READ,
                Prot::GROWSDOWN | Prot::GROWSUP,
                Prot::SEM | Prot::READ,
                Prot::BTI,
            ]),
            pkey: None,
        },
        7 => Call::Mprotect {
            range,
            prot: Prot::READ,
            pkey: Some(args.choose(&[-1, 0, 1, 17])),
        },
        8 => Call::Mlockall(MlockallFlags::from_bits_retain(args.choose(&[0, 4, 8, 9]))),
        9 => Call::UffdRegister {
            range,
            mode: UffdMode::from_bits_retain(args.choose(&[0, 3, 5, 7])),
        },
        10 => Call::UffdCopy {
            range,
            source: UffdCopySource::Memory(VirtAddr::new(args.page())),
            wp: args.one_in(4),
        },
        11 => Call::Access {
            range: SyscallRange::new(nowhere(args), Bytes::from_pages(1)),
            access: args.choose(&[Access::Read, Access::Write(None), Access::Exec]),
        },
        _ => Call::Mbind {
            range,
            policy: args.choose(&[
                Policy::Bind(0),
                Policy::Interleave(0),
                Policy::Preferred(0),
                Policy::PreferredMany(1),
                Policy::Bind(1),
            ]),
        },
    }
}

/// Where no program has memory: behind the user's addresses, where no address can be, the kernel's.
fn nowhere(args: &mut Args) -> VirtAddr {
    VirtAddr::new(args.choose(&[
        0,
        0x7fff_ffff_f000,
        1 << 47,
        1 << 63,
        0xffff_8000_0000_0000,
        u64::MAX - 0xffff,
    ]))
}

fn mmap(args: &mut Args, range: SyscallRange) -> Call {
    let kinds = [
        MapFlags::empty(),
        MapFlags::SHARED,
        MapFlags::PRIVATE,
        MapFlags::SHARED_VALIDATE,
        MapFlags::DROPPABLE,
        MapFlags::from_bits_retain(4),
    ];
    let others = [
        MapFlags::empty(),
        MapFlags::GROWSDOWN,
        MapFlags::HUGETLB,
        MapFlags::SYNC,
        MapFlags::LOCKED,
        MapFlags::DENYWRITE | MapFlags::EXECUTABLE,
        MapFlags::ABOVE4G,
        MapFlags::UNINITIALIZED,
        MapFlags::STACK | MapFlags::NORESERVE,
    ];
    let source = args.choose(&[None, Some(FileId(0)), Some(FileId(2))]);
    let anonymous = if args.rng.random_bool(0.6) {
        MapFlags::ANONYMOUS
    } else {
        MapFlags::empty()
    };
    let place = args.choose(&[
        MapFlags::FIXED,
        MapFlags::FIXED,
        MapFlags::FIXED_NOREPLACE,
        MapFlags::empty(),
    ]);
    Call::Mmap(MmapArgs {
        addr: range.addr,
        len: range.len,
        prot: args.prot(),
        flags: args.choose(&kinds) | args.choose(&others) | anonymous | place,
        file: source,
        offset: args.choose(&[
            0,
            0x1000,
            0x800,
            0x7fff_ffff_ffff_f000,
            0xffff_ffff_ffff_f000,
        ]),
    })
}

fn mremap(args: &mut Args, range: SyscallRange) -> Call {
    let len = args.len();
    Call::Mremap(MremapArgs {
        addr: range.addr,
        old_len: args.choose(&[Bytes(0), range.len, Bytes(len), Bytes(u64::MAX)]),
        new_len: args.choose(&[Bytes(0), range.len, Bytes(len), Bytes(1 << 48)]),
        flags: MremapFlags::from_bits_retain(args.rng.random_range(0..10)),
        new_addr: VirtAddr::new(args.page() + args.choose(&[0, 0, 0x10])),
    })
}

/// Advice that is rare, or no advice at all; none that would take real memory out of use.
fn madvise(args: &mut Args) -> Advice {
    args.choose(&[
        Advice::Mergeable,
        Advice::Unmergeable,
        Advice::Other(5),
        Advice::Other(-1),
        Advice::Other(26),
        Advice::Other(104),
        Advice::DontneedLocked,
        Advice::Remove,
        Advice::Collapse,
    ])
}
