//! Fork: which tables are copied, and what becomes of each kind of entry.

use sim_core::Profile;

use super::{everywhere, setup, under};

#[test]
fn tables_are_copied_where_they_cannot_be_faulted_again() {
    everywhere(
        "map 0..4 rw anon
         map 10..14 rw file
         map 20..24 r file-private
         map 30..34 rw file-private
         map 40..44 rw shared
         map 50..54 rw anon
         write 0..2
         read 10..14
         read 20..24
         read 30..34
         write 30
         write 40..44
         read 50..54
         fork child
         child: pages 0..4 = ss..
         child: pages 10..14 = ....
         child: pages 20..24 = ....
         child: pages 30..34 = sSSS
         child: pages 40..44 = ....
         child: pages 50..54 = ....
         child: smaps 0 Referenced = 0
         child: smaps 0 Rss = 8
         child: smaps 30 Rss = 16
         smaps 0 Shared_Dirty = 8",
    );
}

#[test]
fn guards_make_fork_copy() {
    under(
        Profile::V6_18Stable,
        "map 0..4 rw file
         advise 0..1 guard_install
         read 1
         advise 0..1 guard_remove
         fork child
         child: pages 0..4 = .SSS",
    );
    under(
        Profile::V6_18Stable,
        "map 0..4 rw anon
         advise 0..1 guard_install
         read 1..4
         fork child
         child: pages 0..4 = gsss",
    );
}

#[test]
fn the_first_version_looked_at_the_parent() {
    let mut setup = setup(Profile::V6_18Stable);
    setup.features.copy_on_fork = sim_core::CopyOnFork::Legacy;
    super::script::run(
        &setup,
        "map 0..4 rw file
         advise 0..1 guard_install
         fork child
         child: pages 0..4 = ....       # the guard is lost",
    );
}

#[test]
fn flags_decide_what_a_child_has() {
    everywhere(
        "map 0..4 rw anon
         map 10..14 rw anon
         map 20..24 rw anon
         write 0..4 1
         write 10..14 2
         write 20..24 3
         advise 0..4 dontfork
         advise 10..14 wipeonfork
         lock 20..24
         fork child
         child: read 0 = SIGSEGV
         child: read 10..14 = 0
         child: read 20..24 = 3
         child: smaps 20 Locked = 0
         smaps 20 Locked = 8
         child: exit
         smaps 20 Locked = 16",
    );
}

#[test]
fn clone_shares_everything() {
    everywhere(
        "map 0..4 rw anon
         clone thread
         thread: write 0 9
         read 0 = 9
         pages 0..1 = x
         thread: map 4..8 rw anon
         write 4..8
         exit
         thread: read 0 = 9
         thread: execve
         thread: read 0 = SIGSEGV",
    );
}

#[test]
fn shared_memory_stays_shared() {
    everywhere(
        "map 0..4 rw shared
         write 0 1
         fork child
         child: read 0 = 1
         child: write 0 2
         read 0 = 2
         child: write 1 3
         read 1 = 3
         exit
         child: read 1 = 3
         child: unmap 0..4",
    );
}
