//! Calls on real threads.

use sim_core::{Access, Advice, Bytes, Call, Outcome, Pid, Profile, SyscallRange};

use super::script::page;
use super::setup;
use crate::new_machine;

fn range(first: u64, end: u64) -> SyscallRange {
    SyscallRange::new(page(first), Bytes::from_pages(end - first))
}

fn map(first: u64, end: u64) -> Call {
    Call::Mmap(sim_core::MmapArgs {
        addr: page(first),
        len: Bytes::from_pages(end - first),
        prot: sim_core::Prot::READ | sim_core::Prot::WRITE,
        flags: sim_core::MapFlags::PRIVATE
            | sim_core::MapFlags::ANONYMOUS
            | sim_core::MapFlags::FIXED,
        file: None,
        offset: 0,
    })
}

/// Threads of one process fault, discard, guard, protect and map in the same 2 MiB.
#[test]
fn threads_share_an_address_space() {
    let machine = new_machine(&setup(Profile::V6_19)).expect("a machine");
    machine.set_concurrent(true);
    let main = &*machine;
    assert!(main.run(Pid::MAIN, &map(0, 64)).expect("it runs").is_ok());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for round in 0..200_u64 {
                    let first = (thread * 13 + round) % 60;
                    let part = range(first, first + 4);
                    let advise = |advice| Call::Madvise {
                        range: part,
                        advice,
                    };
                    let call = match (round + thread) % 7 {
                        0 => advise(Advice::Dontneed),
                        1 => advise(Advice::GuardInstall),
                        2 => advise(Advice::GuardRemove),
                        3 => map(first, first + 4),
                        4 => Call::Mprotect {
                            range: part,
                            prot: sim_core::Prot::READ,
                            pkey: None,
                        },
                        _ => Call::Access {
                            range: part,
                            access: Access::Write(Some(thread as u8)),
                        },
                    };
                    main.run(Pid::MAIN, &call).expect("it runs");
                }
            });
        }
    });
    machine.set_concurrent(false);
    machine.check_invariants().expect("all invariants hold");
}

/// Processes fork, write and exit at the same time.
#[test]
fn processes_fork_at_the_same_time() {
    let machine = new_machine(&setup(Profile::V6_19)).expect("a machine");
    machine.set_concurrent(true);
    let main = &*machine;
    let write = |first, end, value| Call::Access {
        range: range(first, end),
        access: Access::Write(Some(value)),
    };
    for call in [map(0, 600), write(0, 600, 1)] {
        assert!(main.run(Pid::MAIN, &call).expect("it runs").is_ok());
    }
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            scope.spawn(move || {
                for round in 0..20 {
                    let child = Pid(1 + thread * 100 + round);
                    let fork = Call::Fork {
                        child,
                        share: false,
                    };
                    assert_eq!(main.run(Pid::MAIN, &fork), Ok(Outcome::OK));
                    let at = u64::from(thread * 100);
                    let parent = main.run(Pid::MAIN, &write(at, at + 50, thread as u8));
                    assert_eq!(parent, Ok(Outcome::OK));
                    assert_eq!(main.run(child, &write(0, 600, 9)), Ok(Outcome::OK));
                    assert_eq!(main.run(child, &Call::Exit), Ok(Outcome::OK));
                }
            });
        }
    });
    machine.set_concurrent(false);
    machine.check_invariants().expect("all invariants hold");
}
