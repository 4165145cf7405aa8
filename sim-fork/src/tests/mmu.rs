//! Accessed and dirty bits, by the MMU and by faults.

use sim_core::{Arch, MmuSetup, Pid, Profile, Setup};

use super::{script, setup};
use crate::DumpKind;

/// Read-only, and dirty as Linux notes it, in an arm64 entry.
const READ_ONLY: u64 = 1 << 7;
const DIRTY: u64 = 1 << 55;
const WRITE: u64 = 1 << 51;
const ACCESSED: u64 = 1 << 10;

fn arm64(hw_access_flag: bool, hw_dirty: bool) -> Setup {
    Setup {
        arch: Arch::Arm64,
        mmu: MmuSetup {
            hw_access_flag,
            hw_dirty,
        },
        ..setup(Profile::V6_19)
    }
}

const EVERY: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

#[test]
fn what_programs_see_is_the_same() {
    for (access_flag, dirty) in EVERY {
        script::run(
            &arm64(access_flag, dirty),
            "map 0..8 rw anon
             write 0..4 7
             read 4
             advise 0..8 cold
             smaps 0 Referenced = 0
             read 1..3 = 7
             smaps 0 Referenced = 8
             protect 0..8 r
             protect 0..8 rw
             write 0 8
             advise 1..2 free
             advise 0..8 cold
             smaps 0 LazyFree = 4
             write 1 9
             smaps 0 LazyFree = 0
             read 1 = 9
             fork child
             write 0..2 10
             child: read 0 = 8
             child: write 3
             read 3 = 7
             map 20..30 rw shmem
             read 20
             write 20..25 3
             smaps 20 Shared_Dirty = 0
             map 512..1536 rw anon
             advise 512..1536 hugepage
             write 600 1
             advise 512..1024 cold
             read 600 = 1
             write 601 2",
        );
    }
}

#[test]
fn neighbours_of_a_fault_are_old_where_the_mmu_marks_them() {
    for (access_flag, referenced) in [(true, 4), (false, 64)] {
        script::run(
            &arm64(access_flag, true),
            &format!(
                "map 0..16 r file
                 read 0
                 smaps 0 Rss = 64
                 smaps 0 Referenced = {referenced}"
            ),
        );
    }
}

/// The entry of page 0 after a program.
fn entry(setup: &Setup, program: &str) -> u64 {
    let mut script = script::Script::new(setup);
    script.steps(program);
    let tables = script.dump(Pid::MAIN, DumpKind::Tables);
    let line = tables
        .lines()
        .rfind(|line| line.contains("0x100000000000 0x"));
    let raw = line.and_then(|line| line.split("0x100000000000 0x").nth(1));
    let digits = raw.and_then(|raw| raw.split_whitespace().next());
    u64::from_str_radix(digits.expect("an entry"), 16).expect("a number")
}

#[test]
fn the_first_write_is_noted_by_the_mmu_or_by_a_fault() {
    // A page of shared memory that was read first is writable and clean.
    let clean = "map 0..1 rw shmem
                 read 0";
    let written = "map 0..1 rw shmem
                   read 0
                   write 0 1";
    for (dirty, software) in [(true, 0), (false, DIRTY)] {
        let setup = arm64(true, dirty);
        let flags = READ_ONLY | DIRTY | WRITE | ACCESSED;
        assert_eq!(entry(&setup, clean) & flags, READ_ONLY | WRITE | ACCESSED);
        assert_eq!(entry(&setup, written) & flags, software | WRITE | ACCESSED);
    }
}
