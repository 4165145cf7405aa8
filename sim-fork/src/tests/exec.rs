//! execve's stack: made at the top of the address space, moved down to its place, pages and all.

use sim_core::{
    Access, Arch, Bytes, Call, Errno, MapFlags, MmapArgs, NewStack, Outcome, PAGE_SIZE, PageState,
    Pid, Profile, Prot, Setup, Signal, SnapshotLevel, SyscallRange, VirtAddr, VmFlags,
};

use super::{script, setup};
use crate::{DumpKind, SimBackend, new_machine};

fn execve(strings: u64, shift: u64) -> Call {
    Call::Execve {
        stack: Some(NewStack {
            strings: Bytes::new(strings),
            shift: Bytes::new(shift),
        }),
    }
}

fn touch(at: VirtAddr, access: Access) -> Call {
    let range = SyscallRange::new(at, Bytes::new(1));
    Call::Access { range, access }
}

/// Runs a call of the first process; invariants hold after it.
#[track_caller]
fn run(machine: &dyn SimBackend, call: &Call) -> Outcome {
    let outcome = machine.run(Pid::MAIN, call).expect("it runs");
    machine.check_invariants().expect("all invariants hold");
    outcome
}

/// A process whose memory says so.
fn machine(setup: &Setup) -> Box<dyn SimBackend> {
    let machine = new_machine(setup).expect("a machine");
    let mmap = Call::Mmap(MmapArgs {
        addr: script::page(0),
        len: Bytes::from_pages(4),
        prot: Prot::READ | Prot::WRITE,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    });
    assert!(run(&*machine, &mmap).is_ok());
    let write = touch(script::page(1), Access::Write(Some(7)));
    assert_eq!(run(&*machine, &write), Outcome::OK);
    machine
}

/// After execve there is the stack alone, `shift` below the top, with its strings.
#[track_caller]
fn check(setup: &Setup, strings: u64, shift: u64) {
    let what = format!("{} {:?} {strings} {shift}", setup.profile, setup.arch);
    let mut machine = machine(setup);
    assert_eq!(
        run(&*machine, &execve(strings, shift)),
        Outcome::OK,
        "{what}"
    );
    let top = VirtAddr::new(setup.arch.task_size());
    let end = top - Bytes::new(shift).page_align();
    // A word at the top stays empty.
    let used = if strings == 0 {
        0
    } else {
        (strings + 8).div_ceil(PAGE_SIZE)
    };
    let snapshot = machine.snapshot(Pid::MAIN, SnapshotLevel::All);
    let snapshot = snapshot.expect("the process lives");
    let [stack] = &snapshot.vmas[..] else {
        panic!("{what}: one VMA, not {:?}", snapshot.vmas)
    };
    assert_eq!(stack.range.end(), end, "{what}: its end");
    assert_eq!(stack.range.pages(), used.max(1) + 32, "{what}: its size");
    let flags = stack.flags - VmFlags::SOFTDIRTY;
    assert_eq!(
        flags,
        VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_FLAGS | VmFlags::GROWSDOWN | VmFlags::ACCOUNT,
        "{what}"
    );
    let present: u64 = snapshot.pages.iter().map(|run| run.range.pages()).sum();
    assert_eq!(present, used, "{what}: pages with strings");
    for run in &snapshot.pages {
        assert!(matches!(run.state, PageState::Present { .. }), "{what}");
        assert_eq!(run.range.end(), end, "{what}: at the top");
    }
    let lowest = end - Bytes::from_pages(used.max(1));
    let read = run(&*machine, &touch(lowest, Access::Read));
    let byte = if used == 0 { 0 } else { u64::from(b'A') };
    assert_eq!(read, Outcome::Value(byte), "{what}: a string");
    if shift > 0 {
        let above = run(&*machine, &touch(end, Access::Read));
        assert_eq!(
            above,
            Outcome::Signal(Signal::SIGSEGV),
            "{what}: nothing stays"
        );
    }
    let below = stack.range.start() - Bytes::from_pages(5);
    let grows = run(&*machine, &touch(below, Access::Write(Some(1))));
    assert_eq!(grows, Outcome::OK, "{what}: it grows");
    let maps = machine.dump(Pid::MAIN, "main", DumpKind::Maps);
    let maps = maps.expect("the process lives");
    assert!(maps.trim_end().ends_with("[stack]"), "{what}: {maps}");
}

#[test]
fn the_stack_is_moved_to_its_place() {
    let page = PAGE_SIZE;
    let shifts = [
        0,
        1,
        page,
        3 * page,
        33 * page,
        511 * page,
        512 * page,
        513 * page,
        1024 * page,
        (512 * 512 + 7) * page,
        1 << 34,
    ];
    for shift in shifts {
        for strings in [
            0,
            1,
            page - 8,
            page - 7,
            5 * page,
            520 * page,
            1030 * page + 1,
        ] {
            let mut setup = setup(Profile::V6_19);
            setup.limits.stack = None;
            check(&setup, strings, shift);
        }
    }
}

#[test]
fn every_kernel_places_it() {
    for &profile in Profile::ALL {
        for arch in [Arch::X86_64, Arch::Arm64] {
            let mut setup = setup(profile);
            setup.arch = arch;
            check(&setup, 3 * PAGE_SIZE, 9 * PAGE_SIZE);
        }
    }
}

/// Lets the first, second … allocation of execve fail until none does: an errno leaves the process
/// as it was, later the process is killed, and nothing is lost.
#[test]
fn every_failing_allocation() {
    for (strings, shift) in [
        (1, 0),
        (3 * PAGE_SIZE, 0),
        (2 * PAGE_SIZE, PAGE_SIZE),
        (6 * PAGE_SIZE, 509 * PAGE_SIZE),
        (6 * PAGE_SIZE, 512 * PAGE_SIZE),
        (3 * PAGE_SIZE, 1 << 33),
    ] {
        let (mut refused, mut killed) = (0, 0);
        for nth in 1.. {
            let machine = machine(&setup(Profile::V6_19));
            run(&*machine, &Call::InjectAllocFailure { nth });
            let outcome = run(&*machine, &execve(strings, shift));
            match outcome {
                Outcome::Errno(Errno::ENOMEM | Errno::E2BIG) => {
                    let byte = run(&*machine, &touch(script::page(1), Access::Read));
                    assert_eq!(byte, Outcome::Value(7), "failure {nth}: all is as before");
                    assert_eq!(killed, 0, "failure {nth}");
                    refused += 1;
                }
                Outcome::Signal(Signal::SIGSEGV) => {
                    assert_eq!(machine.processes(), [], "failure {nth}");
                    killed += 1;
                }
                Outcome::Value(_) => {
                    assert_eq!(machine.map_count(Pid::MAIN), Ok(1));
                    break;
                }
                other => panic!("failure {nth}: {other:?}"),
            }
        }
        assert!(refused >= 5, "{strings} {shift}: {refused} refused");
        // Growing for the headroom takes one; moving takes more.
        let least = if shift == 0 { 1 } else { 3 };
        assert!(killed >= least, "{strings} {shift}: {killed} killed");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let quarter = (8 << 20) / 4;
    for (stack, strings, expected) in [
        (Some(8 << 20), quarter, Outcome::OK),
        (Some(8 << 20), quarter + 1, Outcome::Errno(Errno::E2BIG)),
        (None, 6 << 20, Outcome::OK),
        (None, (6 << 20) + 1, Outcome::Errno(Errno::E2BIG)),
        // 128 KiB always fit, though the stack may be no larger.
        (Some(256 << 10), 128 << 10, Outcome::OK),
        (
            Some(256 << 10),
            (128 << 10) + 1,
            Outcome::Errno(Errno::E2BIG),
        ),
        // The stack cannot grow to them.
        (Some(64 << 10), 65 << 10, Outcome::Errno(Errno::E2BIG)),
    ] {
        let mut setup = setup(Profile::V6_19);
        setup.limits.stack = stack.map(Bytes::new);
        let machine = machine(&setup);
        let outcome = run(&*machine, &execve(strings, PAGE_SIZE));
        assert_eq!(outcome, expected, "{stack:?} {strings}");
    }
}

/// There is room down to `mmap_min_addr`; a stack that goes beyond kills.
#[test]
fn it_goes_down_to_the_lowest_address() {
    let setup = setup(Profile::V6_19);
    let lowest = setup.limits.mmap_min_addr.get();
    let room = setup.arch.task_size() - lowest - PAGE_SIZE;
    for (shift, expected) in [
        (room - 32 * PAGE_SIZE, Outcome::OK),
        // Room for a part of the headroom, which ends below the lowest address.
        (room - 31 * PAGE_SIZE, Outcome::Signal(Signal::SIGSEGV)),
        (room - 16 * PAGE_SIZE, Outcome::Signal(Signal::SIGSEGV)),
        // Where it would end below 0, Linux goes without.
        (room - 15 * PAGE_SIZE, Outcome::OK),
        (room, Outcome::OK),
        (room + PAGE_SIZE, Outcome::Signal(Signal::SIGSEGV)),
        (u64::MAX, Outcome::OK),
        (u64::MAX - PAGE_SIZE, Outcome::Signal(Signal::SIGSEGV)),
    ] {
        let machine = machine(&setup);
        assert_eq!(run(&*machine, &execve(9, shift)), expected, "{shift:#x}");
    }
}

#[test]
fn threads_stay_behind() {
    let machine = machine(&setup(Profile::V6_19));
    let thread = Call::Fork {
        child: Pid(7),
        share: true,
    };
    assert!(run(&*machine, &thread).is_ok());
    assert_eq!(run(&*machine, &execve(1, PAGE_SIZE)), Outcome::OK);
    assert_eq!(machine.map_count(Pid::MAIN), Ok(1));
    let read = touch(script::page(1), Access::Read);
    assert_eq!(machine.run(Pid(7), &read), Ok(Outcome::Value(7)));
}
