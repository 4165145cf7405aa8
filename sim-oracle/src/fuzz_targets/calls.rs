//! Any bytes as a list of calls, on the simulator and on the reference model.

use sim_core::{
    Access, Advice, Backend as _, Bytes, Call, FileId, FileKind, FileSpec, MapFlags, MlockallFlags,
    MmapArgs, MremapArgs, MremapFlags, PAGE_SIZE, Pid, Policy, Profile, Prot, Setup, SyscallRange,
    UffdMode, VirtAddr,
};

use super::Input;
use crate::compare::{Comparison, Level};
use crate::fuzz::against_model;
use crate::lockstep::Lockstep;
use crate::render;

/// Calls of a run.
const MOST_CALLS: usize = 200;
/// Where the calls meet.
const BASE: u64 = 0x1000_0000_0000;
/// Pages there.
const PAGES: u64 = 16;
/// Where the heap starts.
const HEAP: u64 = 0x5555_5555_5000;

/// Reads bytes as calls and runs them on both sides. The first byte chooses the kernel, the second
/// the limits.
///
/// # Panics
/// If the sides differ, with the calls as a scenario, or an invariant is broken.
pub fn calls_against_model(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setup = setup(&mut input);
    let (mut left, mut right) = against_model(true);
    let right = right.start(&setup).expect("a model");
    let left = left.start(&setup).expect("a simulator");
    let mut both = Lockstep::new(left, right, Comparison::new(Level::Flags));
    let mut made = Vec::new();
    while !input.is_empty() && made.len() < MOST_CALLS {
        let living = both.processes();
        if living.is_empty() {
            break;
        }
        let (pid, call) = any_call(&mut input, &living);
        if matches!(call, Call::Fork { child, .. } if living.contains(&child)) {
            continue;
        }
        made.push((pid, call.clone(), None));
        // What one of the sides does not model is left out.
        let result = both.call(pid, &call);
        if let Some(found) = both.divergence() {
            let scenario = render::scenario("found by fuzzing", &setup, &made);
            let shown = found.render(("simulator", "model"));
            panic!("{scenario}\n{shown}");
        }
        match result {
            Err(sim_core::BackendError::Broken(why)) => {
                let scenario = render::scenario("found by fuzzing", &setup, &made);
                panic!("{scenario}\n{why}");
            }
            Err(_) => drop(made.pop()),
            Ok(_) => {}
        }
    }
}

fn setup(input: &mut Input<'_>) -> Setup {
    let mut setup = Setup::new(input.choose(Profile::ALL));
    let file = |name: &str, kind| FileSpec {
        name: name.to_owned(),
        kind,
        size: Bytes::from_pages(6),
        fill: None,
    };
    setup.files = vec![
        file("data", FileKind::Regular),
        file("shm", FileKind::Memfd),
    ];
    let limited = input.byte();
    let limits = &mut setup.limits;
    if limited & 1 != 0 {
        limits.max_map_count = 9;
    }
    if limited & 2 != 0 {
        limits.memlock = Some(Bytes::from_pages(5));
    }
    if limited & 4 != 0 {
        limits.address_space = Some(Bytes::from_pages(20));
    }
    if limited & 8 != 0 {
        limits.data = Some(Bytes::from_pages(9));
    }
    setup
}

/// Mostly a page of the arena.
fn addr(input: &mut Input<'_>) -> VirtAddr {
    let byte = u64::from(input.byte());
    VirtAddr::new(match byte {
        0xf0 => BASE + 0x10,
        0xf1 => 0,
        0xf2 => u64::MAX,
        0xf3 => HEAP,
        _ => BASE + byte % PAGES * PAGE_SIZE,
    })
}

fn len(input: &mut Input<'_>) -> Bytes {
    let byte = u64::from(input.byte());
    Bytes(match byte {
        0xf0 => u64::MAX,
        0xf1 => 0x801,
        0xf2 => 0,
        0xf3 => 2 << 20,
        _ => (byte % 6 + 1) * PAGE_SIZE,
    })
}

fn range(input: &mut Input<'_>) -> SyscallRange {
    SyscallRange::new(addr(input), len(input))
}

fn prot(input: &mut Input<'_>) -> Prot {
    let rw = Prot::READ | Prot::WRITE;
    input.choose(&[
        rw,
        rw,
        Prot::READ,
        Prot::empty(),
        rw | Prot::EXEC,
        Prot::WRITE,
        Prot::EXEC,
    ])
}

fn any_call(input: &mut Input<'_>, living: &[Pid]) -> (Pid, Call) {
    let op = input.byte();
    let pid = living[usize::from(op >> 6) % living.len()];
    let call = match op & 31 {
        0..=4 => mmap(input),
        5 | 6 => Call::Munmap(range(input)),
        7..=9 => Call::Mprotect {
            range: range(input),
            prot: prot(input),
            pkey: None,
        },
        10..=12 => mremap(input),
        13 | 14 => Call::Madvise {
            range: range(input),
            advice: input.choose(Advice::ALL),
        },
        15 => Call::Madvise {
            range: range(input),
            advice: input.choose(&[Advice::GuardInstall, Advice::GuardRemove]),
        },
        16..=18 => Call::Access {
            range: range(input),
            access: Access::Write(Some(1)),
        },
        19 => Call::Access {
            range: range(input),
            access: input.choose(&[Access::Read, Access::Exec]),
        },
        20 => Call::Mlock {
            range: range(input),
            onfault: input.byte() % 2 == 1,
        },
        21 => Call::Munlock(range(input)),
        22 => Call::Mlockall(MlockallFlags::from_bits_retain(u32::from(input.byte() % 8))),
        23 => Call::Munlockall,
        24 => Call::Mseal(range(input)),
        25 => Call::Brk(VirtAddr::new(HEAP + input.below(40) * (PAGE_SIZE / 4))),
        26 => Call::Mbind {
            range: range(input),
            policy: input.choose(&[Policy::Default, Policy::Local, Policy::Bind(1)]),
        },
        27 => Call::VmaName {
            range: range(input),
            label: input
                .choose(&[None, Some("a"), Some("b")])
                .map(str::to_owned),
        },
        28 => Call::UffdRegister {
            range: range(input),
            mode: UffdMode::from_bits_retain(u32::from(input.byte() % 8)),
        },
        29 => Call::UffdUnregister(range(input)),
        30 => process(input),
        _ => Call::Truncate {
            file: FileId(input.below(2) as u32),
            size: Bytes(input.below(20) * (PAGE_SIZE / 2)),
        },
    };
    (pid, call)
}

fn mmap(input: &mut Input<'_>) -> Call {
    let SyscallRange { addr, len } = range(input);
    let (private, shared) = (MapFlags::PRIVATE, MapFlags::SHARED);
    let anon = private | MapFlags::ANONYMOUS;
    let shared_anon = shared | MapFlags::ANONYMOUS;
    let kind = input.choose(&[anon, anon, anon, private, private, shared, shared_anon]);
    let fixed = MapFlags::FIXED;
    let place = input.choose(&[
        fixed,
        fixed,
        fixed,
        MapFlags::empty(),
        MapFlags::FIXED_NOREPLACE,
    ]);
    let more = input.choose(&[
        MapFlags::empty(),
        MapFlags::empty(),
        MapFlags::empty(),
        MapFlags::POPULATE,
        MapFlags::LOCKED,
        MapFlags::NORESERVE,
        MapFlags::GROWSDOWN,
    ]);
    let flags = kind | place | more;
    let named = !flags.contains(MapFlags::ANONYMOUS);
    Call::Mmap(MmapArgs {
        addr,
        len,
        prot: prot(input),
        flags,
        file: named.then(|| FileId(input.below(2) as u32)),
        offset: if named { input.below(6) * PAGE_SIZE } else { 0 },
    })
}

fn mremap(input: &mut Input<'_>) -> Call {
    let SyscallRange {
        addr: from,
        len: old_len,
    } = range(input);
    let same = !input.byte().is_multiple_of(4);
    let fixed = MremapFlags::MAYMOVE | MremapFlags::FIXED;
    Call::Mremap(MremapArgs {
        addr: from,
        old_len,
        new_len: if same { old_len } else { len(input) },
        flags: input.choose(&[
            fixed,
            fixed,
            MremapFlags::MAYMOVE,
            MremapFlags::empty(),
            fixed | MremapFlags::DONTUNMAP,
            MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP,
        ]),
        new_addr: addr(input),
    })
}

fn process(input: &mut Input<'_>) -> Call {
    match input.below(6) {
        0 => Call::Exit,
        1 => Call::Execve { stack: None },
        _ => Call::Fork {
            child: Pid(input.below(4) as u32),
            share: false,
        },
    }
}
