//! Calls on real threads.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use sim_core::{Access, Advice, Bytes, Call, Concurrent, Outcome, Pid, Profile, SyscallRange};
use sim_pagetable::X86_64;

use super::script::page;
use super::setup;
use crate::{Machine, SimBackend, new_machine};

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

/// While a writer has mmap_lock, VMAs that it does not change can be faulted in, guarded and
/// discarded; the one that it changes cannot until it is done.
#[test]
fn faults_go_on_beside_a_writer() {
    let machine = Machine::<X86_64>::new(&setup(Profile::V6_19)).expect("a machine");
    machine.set_concurrent(true);
    let write = |first, end| Call::Access {
        range: range(first, end),
        access: Access::Write(Some(1)),
    };
    let advise = |first, end, advice| Call::Madvise {
        range: range(first, end),
        advice,
    };
    // The first write takes mmap_lock, for an anon_vma.
    for call in [map(0, 100), map(1000, 1100), write(0, 1), write(1000, 1001)] {
        let done = machine.run(Pid::MAIN, &call).expect("it runs");
        assert!(done.is_ok(), "{call:?}");
    }
    let process = machine.process(Pid::MAIN).expect("it lives");
    let mut writer = process.space.write();
    let changed = writer.vma_lookup(page(1000)).expect("it is mapped");
    writer.start_write(changed);
    let machine = &machine;
    std::thread::scope(|scope| {
        for call in [
            write(1, 100),
            advise(10, 20, Advice::Dontneed),
            advise(10, 20, Advice::GuardInstall),
            advise(10, 20, Advice::GuardRemove),
            write(10, 20),
        ] {
            let beside = scope.spawn(move || machine.run(Pid::MAIN, &call));
            let done = beside.join().expect("it does not wait for the writer");
            assert_eq!(done, Ok(Outcome::OK));
        }
        let (done, is_done) = mpsc::channel();
        scope.spawn(move || done.send(machine.run(Pid::MAIN, &write(1001, 1100))));
        let too_early = is_done.recv_timeout(Duration::from_millis(20));
        assert_eq!(too_early, Err(RecvTimeoutError::Timeout), "it waits");
        drop(writer);
        assert_eq!(is_done.recv(), Ok(Ok(Outcome::OK)), "and goes on");
    });
    machine.set_concurrent(false);
    SimBackend::check_invariants(machine).expect("all invariants hold");
}
