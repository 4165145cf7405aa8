//! The question whether 6.19 may lose `VM_MAYBE_GUARD`: what mprotect, mlock and madvise do with a
//! VMA's flags, in 6.19's order (feature `stale_vma_flags`), beside guard install under the VMA's
//! lock. It may. See docs/concurrency.md.

use sim_core::{Advice, Call, Pid, Prot, Setup};
use vmsim_schedules::{
    Check, MAIN, World, advise, finds, fork, map_file, protect, range, read, unmap,
};

const CHILD: Pid = Pid(1);
const SCHEDULES: usize = 400;

fn as_6_19(setup: &mut Setup) {
    setup.features.stale_vma_flags = true;
}

/// 6.18 installs guards under mmap_lock.
fn as_6_18(setup: &mut Setup) {
    setup.features.stale_vma_flags = true;
    setup.features.guard_vma_lock = false;
}

/// Guards page 1 of 4 while `call` runs. Is the flag lost?
fn lost(change: fn(&mut Setup), call: Call) -> (World, bool) {
    let world = World::with(&[map_file(0, 4)], change);
    let (changed, installed) = world.both(call, advise(1, 2, Advice::GuardInstall));
    assert!(changed.is_ok(), "{changed:?}");
    let lost = installed.is_ok() && world.flagged(MAIN, 1) == Some(false);
    (world, lost)
}

macro_rules! loses {
    ($($name:ident: $call:expr;)*) => {$(
        #[test]
        fn $name() {
            let found = finds(|| assert!(!lost(as_6_19, $call).1, "lost"), SCHEDULES);
            assert!(found.is_some_and(|text| text.contains("lost")), "6.19's order");
            let repaired = finds(|| assert!(!lost(|_| (), $call).1, "lost"), SCHEDULES);
            assert_eq!(repaired, None, "locked first");
            let under_mmap_lock = finds(|| assert!(!lost(as_6_18, $call).1, "lost"), SCHEDULES);
            assert_eq!(under_mmap_lock, None, "guards under mmap_lock");
        }
    )*};
}

loses! {
    mprotect_loses_the_flag: protect(0, 4, Prot::READ);
    mprotect_of_a_part_loses_the_flag: protect(1, 2, Prot::READ);
    mlock_loses_the_flag: Call::Mlock { range: range(0, 4), onfault: true };
    madvise_loses_the_flag: advise(0, 4, Advice::Dontdump);
    munmap_of_a_neighbour_page_loses_the_flag: unmap(2, 3);
}

/// The consequence for fork: the child's entries are not copied, and it reads where the parent has
/// a guard.
#[test]
fn the_child_of_a_lost_flag_has_no_guard() {
    let found = finds(
        || {
            let (world, lost) = lost(as_6_19, protect(0, 4, Prot::READ));
            assert!(world.faults(MAIN, 1), "the parent has its guard");
            assert!(world.run(MAIN, &fork(CHILD)).is_ok());
            let unguarded = world.run(CHILD, &read(1, 2)).is_ok();
            assert_eq!(unguarded, lost, "the flag decides");
            assert!(!unguarded, "the child reads a guard page");
        },
        SCHEDULES,
    );
    let text = found.expect("some schedule loses the flag");
    assert!(text.contains("the child reads a guard page"), "{text}");
}

/// The consequence for collapse: page tables with the guards in them are thrown away.
#[test]
fn collapse_drops_the_guards_of_a_lost_flag() {
    let found = finds(
        || {
            let prepare = [map_file(0, 512), read(0, 512)];
            let world = World::with(&prepare, as_6_19);
            world.both(
                protect(0, 512, Prot::READ),
                advise(1, 2, Advice::GuardInstall),
            );
            assert!(world.faults(MAIN, 1), "there is a guard");
            let lost = world.flagged(MAIN, 1) == Some(false);
            // Another process collapses the object.
            assert!(world.run(MAIN, &advise(0, 512, Advice::Dontfork)).is_ok());
            assert!(world.run(MAIN, &fork(CHILD)).is_ok());
            assert!(world.run(CHILD, &map_file(0, 512)).is_ok());
            world.run(CHILD, &advise(0, 512, Advice::Collapse));
            let dropped = !world.faults(MAIN, 1);
            assert_eq!(dropped, lost, "the flag decides");
            assert!(!dropped, "a guard was dropped");
        },
        60,
    );
    let text = found.expect("some schedule loses the flag");
    assert!(text.contains("a guard was dropped"), "{text}");
}

/// Nothing of this happens by default.
#[test]
fn guards_stay_by_default() {
    Check {
        model: || {
            let (world, lost) = lost(|_| (), protect(0, 4, Prot::READ));
            assert!(!lost);
            assert!(world.run(MAIN, &fork(CHILD)).is_ok());
            assert!(world.faults(CHILD, 1));
            world.check();
        },
        mutants: &[sim_sync::Mutant::ModifyFlagsEarly],
        schedules: 200,
    }
    .run();
}
