//! Guard install, which sets a flag atomically under the VMA's lock, against what changes VMAs.

use sim_core::{Advice, Pid, Prot};
use sim_sync::Mutant;
use vmsim_schedules::{Check, MAIN, World, advise, fork, map_file, protect, read, unmap};

const CHILD: Pid = Pid(1);

/// A guard never lies in a VMA without the flag.
#[track_caller]
fn assert_flagged(world: &World, pid: Pid, page: u64) {
    if world.shows_guard(pid, page) {
        assert_eq!(world.flagged(pid, page), Some(true), "a-guard-has-its-flag");
    }
}

/// Guard install in a VMA that is merged into its neighbour meanwhile: the flag is sticky.
#[test]
fn guard_install_against_merge() {
    Check {
        model: || {
            let prepare = [map_file(0, 4), protect(2, 4, Prot::READ)];
            let world = World::new(&prepare);
            assert_eq!(world.vmas(), 2);
            let both = Prot::READ | Prot::WRITE;
            let (merged, installed) =
                world.both(protect(2, 4, both), advise(3, 4, Advice::GuardInstall));
            assert!(merged.is_ok() && installed.is_ok());
            assert_eq!(world.vmas(), 1, "merged");
            assert!(world.shows_guard(MAIN, 3) && world.faults(MAIN, 3));
            assert_flagged(&world, MAIN, 3);
            world.check();
        },
        mutants: &[Mutant::ModifyFlagsEarly, Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// Guard install in the neighbour that a VMA is merged into or that goes with it.
#[test]
fn guard_install_against_merge_of_neighbour() {
    Check {
        model: || {
            let prepare = [map_file(0, 6), protect(2, 4, Prot::READ)];
            let world = World::new(&prepare);
            let both = Prot::READ | Prot::WRITE;
            world.both(protect(2, 4, both), advise(5, 6, Advice::GuardInstall));
            assert_eq!(world.vmas(), 1, "merged");
            assert!(world.shows_guard(MAIN, 5) && world.faults(MAIN, 5));
            assert_flagged(&world, MAIN, 5);
            world.check();
        },
        mutants: &[Mutant::MergeStickyEarly, Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// Guard install in a VMA that is split in three, of which the middle goes.
#[test]
fn guard_install_against_split() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            let (unmapped, _) = world.both(unmap(1, 2), advise(0, 4, Advice::GuardInstall));
            assert!(unmapped.is_ok());
            assert_eq!(world.vmas(), 2);
            for page in [0, 2, 3] {
                assert!(world.shows_guard(MAIN, page));
                assert_flagged(&world, MAIN, page);
            }
            world.check();
        },
        mutants: &[Mutant::SplitCopiesEarly, Mutant::VmaWriteNoWait],
        schedules: 400,
    }
    .run();
}

/// Guard install while the VMA is unmapped: either before, and the guards go too, or after.
#[test]
fn guard_install_against_munmap() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            let (unmapped, _) = world.both(unmap(0, 4), advise(1, 3, Advice::GuardInstall));
            assert!(unmapped.is_ok());
            assert_eq!(world.vmas(), 0);
            world.check();
        },
        mutants: &[Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// mprotect of all of a VMA in which guards are installed: nothing merges and nothing is split.
#[test]
fn guard_install_against_mprotect() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            world.both(
                protect(0, 4, Prot::READ),
                advise(1, 2, Advice::GuardInstall),
            );
            assert!(world.shows_guard(MAIN, 1));
            assert_flagged(&world, MAIN, 1);
            world.check();
        },
        mutants: &[Mutant::ModifyFlagsEarly, Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// fork's `vma_needs_copy()`: a guard that the child's VMA says it may have is there.
#[test]
fn guard_install_against_fork() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            let (forked, installed) = world.both(fork(CHILD), advise(1, 2, Advice::GuardInstall));
            assert!(forked.is_ok() && installed.is_ok());
            let flagged = world.flagged(CHILD, 1).expect("mapped");
            assert_eq!(flagged, world.shows_guard(CHILD, 1), "both or neither");
            assert_eq!(flagged, world.faults(CHILD, 1));
            assert!(world.faults(MAIN, 1));
            world.check();
        },
        mutants: &[Mutant::ForkUnlocked, Mutant::VmaWriteNoWait],
        schedules: 300,
    }
    .run();
}

/// smaps beside guard install: who sees the guard sees the flag afterwards.
#[test]
fn guard_install_against_smaps() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            world.beside(
                |it| it.run(MAIN, &advise(1, 2, Advice::GuardInstall)),
                |it| {
                    if it.shows_guard(MAIN, 1) {
                        assert_eq!(it.flagged(MAIN, 1), Some(true), "a-guard-has-its-flag");
                    }
                },
            );
            world.check();
        },
        mutants: &[Mutant::GuardFlagLate],
        schedules: 300,
    }
    .run();
}

/// A thread brings pages in where another one installs guards: no livelock, and no page is left.
#[test]
fn guard_install_against_fault() {
    Check {
        model: || {
            let world = World::new(&[map_file(0, 4)]);
            let (installed, _) = world.both(advise(0, 2, Advice::GuardInstall), read(0, 2));
            assert!(installed.is_ok());
            assert!(world.faults(MAIN, 0) && world.faults(MAIN, 1));
            world.check();
        },
        mutants: &[],
        schedules: 300,
    }
    .run();
}
