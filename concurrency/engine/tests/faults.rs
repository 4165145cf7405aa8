//! Faults and lookups, under the VMA's lock or none, against what changes the address space.

use sim_core::{Advice, Outcome, Pid, Prot};
use sim_sync::Mutant;
use vmsim_schedules::{
    Check, MAIN, World, advise, collapse, fork, map, map_file, protect, read, truncate, unmap,
    write,
};

const CHILD: Pid = Pid(1);

/// Collapse's `retract_page_tables()` in one process against guard install in another one: both
/// hold neither's mmap_lock; the page-table lock decides. A guard, once installed, stays.
#[test]
fn retraction_against_guard_install() {
    Check {
        model: || {
            let prepare = [map_file(0, 512), read(0, 1), read(511, 512), fork(CHILD)];
            let world = World::new(&prepare);
            let (_, installed) = world.both_of(
                (CHILD, collapse()),
                (MAIN, advise(1, 2, Advice::GuardInstall)),
            );
            assert!(installed.is_ok());
            assert!(world.shows_guard(MAIN, 1), "the guard is there");
            assert!(world.faults(MAIN, 1));
            world.check();
        },
        mutants: &[Mutant::RetractTestsEarly, Mutant::GuardFlagLate],
        schedules: 500,
    }
    .run();
}

/// A page table that MADV_DONTNEED found empty is freed while a thread faults a page in next to it.
#[test]
fn fault_against_table_reclaim() {
    Check {
        model: || {
            let world = World::new(&[map(0, 1024), write(512, 513, 1)]);
            let (_, written) = world.both(advise(512, 1024, Advice::Dontneed), write(600, 601, 7));
            assert!(written.is_ok());
            assert_eq!(world.run(MAIN, &read(512, 513)), Outcome::Value(0));
            world.check();
        },
        mutants: &[Mutant::FreeTableUnlocked],
        schedules: 60,
    }
    .run();
}

/// Lookup and access against munmap, with the VMA's memory used again at once: an access finds the
/// VMA or does not, and never another one; what stays mapped is always found.
#[test]
fn lookup_against_munmap_and_reuse() {
    Check {
        model: || {
            let world = World::new(&[map(0, 2), map(4, 6), write(0, 2, 1), write(4, 6, 4)]);
            let (_, (first, stays)) = world.beside(
                |it| {
                    assert!(it.run(MAIN, &unmap(0, 2)).is_ok());
                    assert!(it.run(MAIN, &map(8, 10)).is_ok());
                    assert!(it.run(MAIN, &write(8, 10, 8)).is_ok());
                },
                |it| {
                    let first = it.run(MAIN, &read(0, 1));
                    (first, it.run(MAIN, &read(4, 5)))
                },
            );
            assert!(first == Outcome::Value(1) || !first.is_ok(), "{first:?}");
            assert_eq!(stays, Outcome::Value(4));
            assert_eq!(world.run(MAIN, &read(8, 9)), Outcome::Value(8));
            world.check();
        },
        mutants: &[Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// The same for lookups that touch nothing but the store.
#[test]
fn lookup_without_locks_against_split_and_merge() {
    Check {
        model: || {
            let world = World::new(&[map(0, 6)]);
            let (_, found) = world.beside(
                |it| {
                    it.run(MAIN, &protect(2, 4, Prot::READ));
                    it.run(MAIN, &protect(2, 4, Prot::READ | Prot::WRITE));
                },
                |it| it.find(&[0, 2, 3, 5]),
            );
            assert_eq!(found, 4, "an address that stays mapped is found");
            world.check();
        },
        mutants: &[Mutant::SeqReadUnchecked, Mutant::SeqReadOdd],
        schedules: 300,
    }
    .run();
}

/// A write fault under the VMA's lock against mprotect: afterwards nothing can be written, whoever
/// was first.
#[test]
fn fault_against_mprotect() {
    Check {
        model: || {
            let world = World::new(&[map(0, 2), write(1, 2, 1)]);
            let (protected, written) = world.both(protect(0, 2, Prot::READ), write(0, 1, 7));
            assert!(protected.is_ok());
            let want = if written.is_ok() { 7 } else { 0 };
            assert!(!world.run(MAIN, &write(0, 1, 9)).is_ok(), "read-only");
            assert_eq!(world.run(MAIN, &read(0, 1)), Outcome::Value(want));
            world.check();
        },
        mutants: &[Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// fork against writes that fault: the child has the pages of one moment, though they are copied
/// table by table, and no page is shared writable.
#[test]
fn fork_against_fault() {
    Check {
        model: || {
            let world = World::new(&[map(0, 1024), write(511, 513, 1)]);
            let (forked, written) = world.both(fork(CHILD), write(511, 513, 2));
            assert!(forked.is_ok() && written.is_ok());
            let [first, second] = [511, 512].map(|page| world.run(CHILD, &read(page, page + 1)));
            for child in [first, second] {
                assert!(child == Outcome::Value(1) || child == Outcome::Value(2));
            }
            let torn = (first, second) == (Outcome::Value(1), Outcome::Value(2));
            assert!(!torn, "the second page was written after the first one");
            assert!(world.run(MAIN, &write(511, 513, 3)).is_ok());
            assert_eq!(world.run(CHILD, &read(511, 512)), first, "its own");
            world.check();
        },
        mutants: &[Mutant::ForkUnlocked],
        schedules: 200,
    }
    .run();
}

/// A fault in one VMA completes while another thread changes others.
#[test]
fn fault_beside_writer_of_another_vma() {
    Check {
        model: || {
            let world = World::new(&[map(0, 2), map(4, 6), write(4, 6, 1)]);
            let (_, written) = world.beside(
                |it| {
                    it.run(MAIN, &unmap(5, 6));
                    it.run(MAIN, &protect(4, 5, Prot::READ));
                },
                |it| it.run(MAIN, &write(0, 2, 5)),
            );
            assert!(written.is_ok());
            assert_eq!(world.run(MAIN, &read(1, 2)), Outcome::Value(5));
            world.check();
        },
        mutants: &[],
        schedules: 200,
    }
    .run();
}

/// A fault in a file against truncation: afterwards nothing is mapped that the file does not have.
#[test]
fn fault_against_truncation() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4), write(1, 2, 1)]);
            let (truncated, _) = world.both(truncate(0), write(0, 2, 7));
            assert!(truncated.is_ok());
            assert!(world.faults(MAIN, 0) && world.faults(MAIN, 1), "SIGBUS");
            world.check();
        },
        mutants: &[Mutant::ObjectsUnlocked],
        schedules: 300,
    }
    .run();
}

/// A write to a file that is being collapsed is not lost.
#[test]
fn fault_against_collapse_of_a_file() {
    Check {
        model: || {
            let prepare = [map_file(0, 512), write(0, 4, 1), fork(CHILD)];
            let world = World::new(&prepare);
            let (_, written) = world.both_of((CHILD, collapse()), (MAIN, write(2, 4, 7)));
            assert!(written.is_ok());
            assert_eq!(world.run(CHILD, &read(3, 4)), Outcome::Value(7));
            world.check();
        },
        mutants: &[Mutant::ObjectsUnlocked],
        schedules: 150,
    }
    .run();
}

/// A write to memory that is being collapsed is not lost.
#[test]
fn fault_against_collapse() {
    Check {
        model: || {
            let world = World::new(&[map(0, 512), write(0, 4, 1)]);
            let (_, written) = world.both(collapse(), write(2, 5, 7));
            assert!(written.is_ok());
            assert_eq!(world.run(MAIN, &read(3, 4)), Outcome::Value(7));
            assert_eq!(world.run(MAIN, &read(1, 2)), Outcome::Value(1));
            world.check();
        },
        mutants: &[],
        schedules: 150,
    }
    .run();
}
