//! Simpler forms of a call.

use sim_core::{
    Access, Bytes, Call, MapFlags, MmapArgs, MremapArgs, PAGE_SIZE, Policy, Prot, SyscallRange,
};

/// Forms of a call that are simpler, the simplest first. Repeated use comes to an end.
pub(super) fn candidates(call: &Call) -> Vec<Call> {
    match call {
        Call::Mmap(args) => mmap(args).into_iter().map(Call::Mmap).collect(),
        Call::Mremap(args) => mremap(args).into_iter().map(Call::Mremap).collect(),
        Call::Mprotect { range, prot, pkey } => with_range(*range, |range| Call::Mprotect {
            range,
            prot: *prot,
            pkey: *pkey,
        }),
        Call::Madvise { range, advice } => with_range(*range, |range| Call::Madvise {
            range,
            advice: *advice,
        }),
        Call::Access { range, access } => {
            let mut list = with_range(*range, |range| Call::Access {
                range,
                access: *access,
            });
            if let Access::Write(Some(2..)) = access {
                list.push(Call::Access {
                    range: *range,
                    access: Access::Write(Some(1)),
                });
            }
            list
        }
        Call::Mbind { range, policy } => {
            let mut list = with_range(*range, |range| Call::Mbind {
                range,
                policy: *policy,
            });
            if !matches!(policy, Policy::Bind(_) | Policy::Default) {
                list.push(Call::Mbind {
                    range: *range,
                    policy: Policy::Bind(1),
                });
            }
            list
        }
        Call::Munmap(range) => with_range(*range, Call::Munmap),
        Call::Munlock(range) => with_range(*range, Call::Munlock),
        Call::Mseal(range) => with_range(*range, Call::Mseal),
        Call::Msync(range) => with_range(*range, Call::Msync),
        Call::Mincore(range) => with_range(*range, Call::Mincore),
        Call::UffdUnregister(range) => with_range(*range, Call::UffdUnregister),
        Call::UffdZeropage(range) => with_range(*range, Call::UffdZeropage),
        Call::UffdPoison(range) => with_range(*range, Call::UffdPoison),
        Call::Reclaim(range) => with_range(*range, Call::Reclaim),
        Call::Mlock { range, onfault } => with_range(*range, |range| Call::Mlock {
            range,
            onfault: *onfault,
        }),
        Call::VmaName { range, label } => with_range(*range, |range| Call::VmaName {
            range,
            label: label.clone(),
        }),
        Call::UffdRegister { range, mode } => {
            with_range(*range, |range| Call::UffdRegister { range, mode: *mode })
        }
        Call::UffdWriteprotect { range, on } => {
            with_range(*range, |range| Call::UffdWriteprotect { range, on: *on })
        }
        Call::UffdCopy { range, source, wp } => with_range(*range, |range| Call::UffdCopy {
            range,
            source: *source,
            wp: *wp,
        }),
        Call::UffdContinue { range, wp } => {
            with_range(*range, |range| Call::UffdContinue { range, wp: *wp })
        }
        Call::UffdMove { range, from } => {
            with_range(*range, |range| Call::UffdMove { range, from: *from })
        }
        Call::Mlockall(_)
        | Call::Munlockall
        | Call::Brk(_)
        | Call::Fork { .. }
        | Call::Exit
        | Call::Execve { .. }
        | Call::Khugepaged { .. }
        | Call::ReclaimPages(_)
        | Call::ClearRefs(_)
        | Call::Truncate { .. }
        | Call::PunchHole { .. }
        | Call::InjectAllocFailure { .. } => Vec::new(),
    }
}

/// One page; half; a page less at either end.
fn with_range(range: SyscallRange, call: impl Fn(SyscallRange) -> Call) -> Vec<Call> {
    let mut list: Vec<_> = shorter(range.len)
        .into_iter()
        .map(|len| call(SyscallRange::new(range.addr, len)))
        .collect();
    let whole = range.len.get().is_multiple_of(PAGE_SIZE) && range.len.pages() < 1 << 30;
    if whole
        && range.len.pages() > 1
        && let Some(addr) = range.addr.checked_add(Bytes(PAGE_SIZE))
    {
        let len = Bytes(range.len.get() - PAGE_SIZE);
        list.push(call(SyscallRange::new(addr, len)));
    }
    list
}

fn shorter(len: Bytes) -> Vec<Bytes> {
    let pages = len.pages();
    let mut list = Vec::new();
    for fewer in [1, pages / 2, pages.saturating_sub(1)] {
        let fewer = Bytes::from_pages(fewer);
        if fewer.get() > 0 && fewer < len && !list.contains(&fewer) {
            list.push(fewer);
        }
    }
    list
}

fn mmap(args: &MmapArgs) -> Vec<MmapArgs> {
    let mut list = Vec::new();
    let needed = MapFlags::TYPE | MapFlags::FIXED | MapFlags::ANONYMOUS;
    for flag in (args.flags - needed).iter() {
        list.push(MmapArgs {
            flags: args.flags - flag,
            ..*args
        });
    }
    let usual = Prot::READ | Prot::WRITE;
    if args.prot != usual {
        list.push(MmapArgs {
            prot: usual,
            ..*args
        });
    }
    if args.offset != 0 {
        list.push(MmapArgs { offset: 0, ..*args });
    }
    list.extend(
        shorter(args.len)
            .into_iter()
            .map(|len| MmapArgs { len, ..*args }),
    );
    list
}

fn mremap(args: &MremapArgs) -> Vec<MremapArgs> {
    let mut list: Vec<_> = shorter(args.old_len)
        .into_iter()
        .map(|old_len| MremapArgs {
            old_len,
            new_len: if args.new_len == args.old_len {
                old_len
            } else {
                args.new_len
            },
            ..*args
        })
        .collect();
    if args.new_len != args.old_len {
        list.extend(
            shorter(args.new_len)
                .into_iter()
                .map(|new_len| MremapArgs { new_len, ..*args }),
        );
    }
    list
}
