//! Every call that allocates, with its first, second … allocation failing.

use sim_core::{
    Access, Advice, Bytes, Call, Errno, FileId, MapFlags, MlockallFlags, MmapArgs, MremapArgs,
    MremapFlags, Outcome, Pid, Policy, Profile, Prot, Signal, SyscallRange, UffdCopySource,
    UffdMode,
};

use super::script::page;
use super::setup;
use crate::{SimBackend, new_machine};

/// More allocations than any of the calls makes.
const MOST: u32 = 40;

fn range(first: u64, end: u64) -> SyscallRange {
    SyscallRange::new(page(first), Bytes::from_pages(end - first))
}

fn map(first: u64, end: u64, flags: MapFlags, file: Option<u32>) -> Call {
    Call::Mmap(MmapArgs {
        addr: page(first),
        len: Bytes::from_pages(end - first),
        prot: Prot::READ | Prot::WRITE,
        flags: flags | MapFlags::FIXED,
        file: file.map(FileId),
        offset: 0,
    })
}

fn anon(first: u64, end: u64, more: MapFlags) -> Call {
    map(
        first,
        end,
        MapFlags::PRIVATE | MapFlags::ANONYMOUS | more,
        None,
    )
}

fn write(first: u64, end: u64) -> Call {
    access(first, end, Access::Write(Some(1)))
}

fn access(first: u64, end: u64, access: Access) -> Call {
    let range = range(first, end);
    Call::Access { range, access }
}

fn advise(first: u64, end: u64, advice: Advice) -> Call {
    let range = range(first, end);
    Call::Madvise { range, advice }
}

fn remap(first: u64, end: u64, to: u64, pages: u64, more: MremapFlags) -> Call {
    Call::Mremap(MremapArgs {
        addr: page(first),
        old_len: Bytes::from_pages(end - first),
        new_len: Bytes::from_pages(pages),
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED | more,
        new_addr: page(to),
    })
}

fn protect(first: u64, end: u64, prot: Prot) -> Call {
    Call::Mprotect {
        range: range(first, end),
        prot,
        pkey: None,
    }
}

fn register(first: u64, end: u64, mode: UffdMode) -> Call {
    let range = range(first, end);
    Call::UffdRegister { range, mode }
}

/// Memory of every kind.
fn prepare() -> Box<dyn SimBackend> {
    let machine = new_machine(&setup(Profile::V6_19)).expect("a machine");
    let calls = [
        anon(0, 600, MapFlags::empty()),
        write(0, 3),
        write(599, 600),
        // Shared memory, a file's, a file's private.
        map(1000, 1100, MapFlags::SHARED, Some(1)),
        write(1000, 1004),
        map(1200, 1300, MapFlags::SHARED, Some(0)),
        map(1400, 1500, MapFlags::PRIVATE, Some(0)),
        write(1400, 1402),
        // A huge page.
        anon(4096, 4608, MapFlags::empty()),
        advise(4096, 4608, Advice::Hugepage),
        write(4096, 4097),
        // Small pages that could be one, and some that are swapped out.
        anon(5120, 5632, MapFlags::empty()),
        write(5120, 5200),
        anon(6000, 6010, MapFlags::empty()),
        write(6000, 6010),
        advise(6000, 6010, Advice::Pageout),
        // Registered memory, and two VMAs that differ in their policy.
        anon(7000, 7100, MapFlags::empty()),
        register(7000, 7100, UffdMode::MISSING | UffdMode::WP),
        Call::Mbind {
            range: range(100, 200),
            policy: Policy::Preferred(1),
        },
    ];
    for call in &calls {
        let outcome = machine.run(Pid::MAIN, call).expect("it runs");
        assert!(outcome.is_ok(), "{call:?}: {outcome:?}");
    }
    machine
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn calls() -> Vec<Call> {
    let none = MremapFlags::empty();
    vec![
        anon(8000, 8010, MapFlags::POPULATE),
        anon(0, 10, MapFlags::POPULATE),
        anon(600, 700, MapFlags::empty()),
        map(8000, 8010, MapFlags::SHARED | MapFlags::ANONYMOUS, None),
        map(8000, 8010, MapFlags::SHARED | MapFlags::POPULATE, Some(1)),
        map(8000, 8010, MapFlags::PRIVATE | MapFlags::POPULATE, Some(0)),
        Call::Munmap(range(1, 599)),
        Call::Munmap(range(4100, 4101)),
        Call::Brk(page(0)),
        protect(1, 2, Prot::READ),
        protect(4100, 4101, Prot::READ),
        protect(90, 210, Prot::READ),
        remap(0, 600, 10_000, 600, none),
        remap(1, 2, 10_000, 5, none),
        remap(4096, 4608, 10_001, 512, none),
        remap(4100, 4200, 10_001, 100, none),
        remap(1000, 1100, 10_000, 100, MremapFlags::DONTUNMAP),
        remap(0, 600, 10_000, 100, none),
        Call::Mlock {
            range: range(90, 210),
            onfault: false,
        },
        Call::Mlockall(MlockallFlags::CURRENT | MlockallFlags::FUTURE),
        Call::Mseal(range(10, 20)),
        Call::Mbind {
            range: range(150, 250),
            policy: Policy::Preferred(1),
        },
        Call::VmaName {
            range: range(10, 20),
            label: Some("name".into()),
        },
        advise(10, 20, Advice::Random),
        advise(10, 20, Advice::GuardInstall),
        advise(4100, 4101, Advice::GuardInstall),
        advise(1000, 1010, Advice::GuardInstall),
        advise(1200, 1210, Advice::GuardInstall),
        advise(10, 20, Advice::PopulateRead),
        advise(10, 20, Advice::PopulateWrite),
        advise(6000, 6010, Advice::Willneed),
        advise(0, 3, Advice::Pageout),
        advise(1000, 1002, Advice::Pageout),
        advise(4096, 4608, Advice::Pageout),
        advise(4100, 4101, Advice::Dontneed),
        advise(4100, 4101, Advice::Free),
        advise(1000, 1002, Advice::Remove),
        advise(5120, 5632, Advice::Collapse),
        register(10, 20, UffdMode::WP),
        Call::UffdUnregister(range(7010, 7020)),
        Call::UffdCopy {
            range: range(7000, 7004),
            source: UffdCopySource::Value(3),
            wp: false,
        },
        Call::UffdCopy {
            range: range(7000, 7004),
            source: UffdCopySource::Memory(page(0)),
            wp: true,
        },
        Call::UffdContinue {
            range: range(7000, 7004),
            wp: false,
        },
        Call::UffdZeropage(range(7000, 7004)),
        Call::UffdPoison(range(7000, 7004)),
        Call::UffdMove {
            range: range(7000, 7003),
            from: page(0),
        },
        Call::UffdWriteprotect {
            range: range(7000, 7004),
            on: true,
        },
        write(10, 13),
        write(1000, 1010),
        write(1200, 1204),
        write(1400, 1410),
        write(6000, 6003),
        access(20, 22, Access::Read),
        access(1300, 1301, Access::Read),
        access(1450, 1452, Access::Read),
        Call::Fork {
            child: Pid(1),
            share: false,
        },
        Call::Fork {
            child: Pid(1),
            share: true,
        },
        Call::Execve { stack: None },
        Call::Khugepaged { passes: 2 },
        Call::Reclaim(range(0, 600)),
        Call::ReclaimPages(20),
        Call::ClearRefs(4),
        Call::PunchHole {
            file: FileId(1),
            offset: 0,
            len: Bytes::from_pages(2),
        },
        Call::Truncate {
            file: FileId(1),
            size: Bytes::new(5000),
        },
    ]
}

/// What a call that wants memory says if there is none.
const fn says_no_memory(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Errno(Errno::ENOMEM | Errno::EAGAIN | Errno::EFAULT | Errno::EINVAL)
            | Outcome::Signal(Signal::SIGKILL)
    )
}

/// After each failure all invariants hold, the process goes on as before, and with memory there is
/// nothing wrong with the next call.
#[test]
fn every_failing_allocation_of_every_call() {
    let mut failing = 0;
    for call in calls() {
        let machine = prepare();
        let expected = machine.run(Pid::MAIN, &call).expect("it runs");
        for nth in 1..=MOST {
            let machine = prepare();
            let run = |call: &Call| {
                let outcome = machine.run(Pid::MAIN, call).expect("it runs");
                let broken = machine.check_invariants().err();
                assert_eq!(broken, None, "{call:?}, failure {nth}");
                outcome
            };
            run(&Call::InjectAllocFailure { nth });
            let outcome = run(&call);
            if outcome != expected {
                assert!(says_no_memory(outcome), "{call:?}, {nth}: {outcome:?}");
                failing += 1;
            }
            if machine.processes().contains(&Pid::MAIN) {
                run(&write(5130, 5131));
                run(&Call::Exit);
            }
        }
    }
    assert!(failing > 150, "only {failing} failures were seen");
}
