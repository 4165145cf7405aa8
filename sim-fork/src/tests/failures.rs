//! Every allocation of a call fails once: the call reports it, and everything stays consistent.

use sim_core::{Access, Advice, Bytes, Call, Errno, Outcome, Pid, Profile, SyscallRange};

use super::script::page;
use super::setup;
use crate::{SimBackend, new_machine};

fn range(first: u64, end: u64) -> SyscallRange {
    SyscallRange::new(page(first), Bytes::from_pages(end - first))
}

fn prepare() -> Box<dyn SimBackend> {
    let machine = new_machine(&setup(Profile::V6_19)).expect("a machine");
    let run = |call: &Call| assert!(machine.run(Pid::MAIN, call).expect("it runs").is_ok());
    for first in [0, 1000] {
        run(&Call::Mmap(sim_core::MmapArgs {
            addr: page(first),
            len: Bytes::from_pages(600),
            prot: sim_core::Prot::READ | sim_core::Prot::WRITE,
            flags: sim_core::MapFlags::PRIVATE
                | sim_core::MapFlags::ANONYMOUS
                | sim_core::MapFlags::FIXED,
            file: None,
            offset: 0,
        }));
    }
    for at in [0, 599, 1100] {
        run(&Call::Access {
            range: range(at, at + 1),
            access: Access::Write(Some(1)),
        });
    }
    machine
}

#[test]
fn failing_allocations_leave_the_machine_whole() {
    let fork = Call::Fork {
        child: Pid(1),
        share: false,
    };
    let guard = Call::Madvise {
        range: range(1000, 1600),
        advice: Advice::GuardInstall,
    };
    for (call, errno) in [(fork, Errno::ENOMEM), (guard, Errno::ENOMEM)] {
        let mut failures = 0;
        for nth in 1.. {
            let machine = prepare();
            let inject = Call::InjectAllocFailure { nth };
            machine.run(Pid::MAIN, &inject).expect("it runs");
            let outcome = machine.run(Pid::MAIN, &call).expect("it runs");
            machine.check_invariants().expect("all invariants hold");
            if outcome != Outcome::Errno(errno) {
                break;
            }
            failures += 1;
        }
        assert!(failures >= 1, "{call:?} allocates");
    }
}

#[test]
fn a_fault_is_repeated_after_a_failure() {
    for nth in 1..8 {
        let machine = prepare();
        let inject = Call::InjectAllocFailure { nth };
        machine.run(Pid::MAIN, &inject).expect("it runs");
        let write = Call::Access {
            range: range(300, 302),
            access: Access::Write(Some(5)),
        };
        assert_eq!(machine.run(Pid::MAIN, &write), Ok(Outcome::OK));
        machine.check_invariants().expect("all invariants hold");
    }
}
