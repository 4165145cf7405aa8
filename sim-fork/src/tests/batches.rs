//! Per-CPU batches, as a running kernel (6.18) showed them.

use super::{everywhere, setup, under};
use crate::tests::script;
use sim_core::{LruBatches, Profile};

#[test]
fn a_batch_takes_effect_when_it_is_full() {
    for (freed, shown) in [(1, 0), (4, 0), (30, 0), (31, 124), (32, 124), (70, 248)] {
        everywhere(&format!(
            "map 0..100 rw anon
             write 0..{freed} 1
             advise 0..{freed} free
             smaps 0 LazyFree = {shown}"
        ));
    }
}

/// After four pages were freed lazily: what shows after a call on other memory.
#[track_caller]
fn after(before: &str, call: &str, shown: u64) {
    let script = format!(
        "map 0..8 rw anon
         map 100..1100 rw anon
         map 2000..2010 rw shmem
         map 3000..3010 rw file
         write 0..4 1
         {before}
         advise 0..4 free
         {call}
         smaps 0 LazyFree = {shown}"
    );
    under(Profile::V6_18Stable, &script);
}

#[test]
fn some_calls_drain_all_batches() {
    for (before, call) in [
        ("", "advise 100..101 cold"),
        ("", "advise 100..101 pageout"),
        ("", "advise 100..101 free"),
        ("", "advise 100..101 willneed"),
        ("", "advise 100..101 populate_read"),
        ("", "advise 100..101 populate_write"),
        ("", "advise 1200..1201 populate_read = ENOMEM"),
        ("", "advise 2000..2001 willneed"),
        ("", "advise 3000..3001 cold"),
        ("", "lock 100..101"),
        ("", "lock 100..101 onfault"),
        ("lock 100..101", "unlock 100..101"),
        ("", "map 100..101 rw anon populate"),
        ("write 2000..2004", "advise 2000..2004 remove"),
    ] {
        after(before, call, 16);
    }
}

#[test]
fn others_do_not() {
    for (before, call) in [
        ("", "write 100..1100"),
        ("write 100..612", "unmap 100..612"),
        ("write 100..612", "advise 100..612 dontneed"),
        ("write 100..612", "advise 100..612 guard_install"),
        ("write 100..612", "map 100..612 rw anon"),
        ("write 100..108", "protect 100..108 r"),
        ("write 100..108", "move 100..108 1200..1208"),
        ("write 100..200", "fork child"),
        ("", "unlock 100..101"),
        ("", "advise 3000..3001 willneed"),
        ("", "advise 3000..3001 free = EINVAL"),
        ("", "advise 2000..2001 remove"),
        ("", "lock 1200..1201 = ENOMEM"),
        ("", "write 2000..2004"),
        ("", "read 3000..3004"),
    ] {
        after(before, call, 0);
    }
}

#[test]
fn reusing_a_new_page_after_fork_drains() {
    // The page is not on a list yet, and so its references are not known.
    after(
        "",
        "write 100
         fork child
         child: exit
         write 100",
        16,
    );
    // This one is on a list.
    after(
        "",
        "write 100..131
         fork child
         child: exit
         write 100",
        0,
    );
}

#[test]
fn drained_machines_have_no_batches() {
    let mut setup = setup(Profile::V6_18Stable);
    setup.lru_batches = LruBatches::Drained;
    script::run(
        &setup,
        "map 0..4 rw anon
         write 0..4 1
         advise 0..4 free
         smaps 0 LazyFree = 16
         lock 0..4
         unlock 0..4
         fork child
         child: exit
         write 0
         unmap 0..4",
    );
}

#[test]
fn locks_are_counted() {
    // Locked twice, unlocked once: still locked, so that it cannot be freed lazily.
    everywhere(
        "map 0..1 rw shmem
         map 10..11 rw shmem
         write 0
         lock 0..1
         lock 10..11
         unlock 0..1
         unlock 10..11
         unmap 0..1
         unmap 10..11",
    );
}
