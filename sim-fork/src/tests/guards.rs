//! Guard regions: the cases of `tools/testing/selftests/mm/guard-regions.c` (G-01 …) and more.

use sim_core::Profile;

use super::{everywhere, under};

/// Every backing that the kernel's test runs on.
const BACKINGS: [&str; 3] = ["anon", "shmem", "file"];

/// Runs a script with `BACKING` replaced by each of them.
#[track_caller]
fn on_all(lines: &str) {
    for backing in BACKINGS {
        everywhere(&lines.replace("BACKING", backing));
    }
}

#[test]
fn basic() {
    on_all(
        "map 0..10 rw BACKING
         write 0                          # G-01
         advise 0..1 guard_install
         read 0 = SIGSEGV
         write 0 = SIGSEGV
         write 1..10
         advise 9..10 guard_install       # G-02
         write 9 = SIGSEGV
         advise 0..1 guard_remove
         advise 9..10 guard_remove
         write 0..10
         advise 0..3 guard_install        # G-03
         read 0 = SIGSEGV
         read 2 = SIGSEGV
         write 3..10
         advise 0..10 guard_remove        # G-04
         write 0..10 7
         advise 0..10 guard_remove
         read 0..10 = 7",
    );
}

#[test]
fn holes_are_reported_after_the_rest_is_done() {
    on_all(
        "map 0..10 rw BACKING
         map 50..55 rw BACKING@50
         map 80..100 rw BACKING@80
         advise 0..100 guard_install = ENOMEM   # G-05
         read 9 = SIGSEGV
         read 54 = SIGSEGV
         read 99 = SIGSEGV
         advise 0..100 guard_remove = ENOMEM    # G-06
         write 0..10
         write 50..55
         write 80..100
         map 10..50 rwx anon                    # G-07
         map 55..80 rwx anon
         advise 0..100 guard_install
         read 10 = SIGSEGV
         advise 0..100 guard_remove
         write 0..100",
    );
}

#[test]
fn unmapping_drops_guards() {
    on_all(
        "map 0..10 rw BACKING
         advise 0..1 guard_install
         advise 9..10 guard_install
         unmap 0..1
         unmap 9..10
         map 0..1 rw BACKING
         map 9..10 rw BACKING@9
         write 0..10                            # G-10",
    );
}

#[test]
fn protection_and_splits_keep_guards() {
    on_all(
        "map 0..10 rw BACKING
         advise 5..7 guard_install              # G-11
         protect 5..7 r
         read 5 = SIGSEGV
         advise 5..7 guard_install
         read 6 = SIGSEGV
         advise 0..10 guard_remove              # G-12
         read 0..10
         protect 0..10 rw
         advise 0..10 guard_install             # G-13
         unmap 2
         unmap 5
         unmap 8
         pages 0..10 = gg.gg.gg.g
         map 2..3 rw BACKING@2                  # G-14
         map 5..6 rw BACKING@5
         map 8..9 rw BACKING@8
         write 2
         write 5
         write 8
         read 1 = SIGSEGV
         read 3 = SIGSEGV
         advise 0..10 guard_install
         protect 0..3 r                         # G-15
         protect 7..10 r
         pages 0..10 = gggggggggg
         protect 0..10 rw
         pages 0..10 = gggggggggg
         protect 0..3 r                         # G-16
         advise 0..10 guard_remove
         read 0..10
         protect 0..3 rw
         write 0..10",
    );
}

#[test]
fn dontneed_keeps_guards() {
    for (backing, odd) in [("anon", 0), ("shmem", 121), ("file", 121)] {
        everywhere(&format!(
            "map 0..4 rw {backing}
             write 0..4 121                     # G-17
             advise 0..1 guard_install
             advise 2..3 guard_install
             advise 0..4 dontneed
             pages 0..4 = g.g.
             read 0 = SIGSEGV
             read 1 = {odd}
             read 3 = {odd}
             write 3
             write 2 = SIGSEGV"
        ));
    }
}

#[test]
fn locked_memory_refuses_guards() {
    on_all(
        "map 0..10 rw BACKING
         write 0..10
         lock 0..10
         advise 0..10 guard_install = EINVAL    # G-18
         unlock 0..10
         advise 0..5 guard_install              # G-19
         read 4 = SIGSEGV
         read 5
         lock 5..10                             # G-20
         advise 0..10 guard_remove
         read 0..10",
    );
}

#[test]
fn moves_carry_guards() {
    on_all(
        "map 0..5 rw BACKING
         advise 0..1 guard_install              # G-21
         advise 4..5 guard_install
         move 0..5 600..605
         pages 600..605 = g...g
         write 600 = SIGSEGV
         write 601..604
         move 600..605 100..103                 # G-24
         read 100 = SIGSEGV
         read 101..103
         move 100..103 200..205
         write 201..203",
    );
}

#[test]
fn fork_copies_guards() {
    on_all(
        "map 0..10 rw BACKING
         advise 0..5 guard_install
         fork child                             # G-26
         child: read 4 = SIGSEGV
         child: write 5..10
         child: advise 0..10 guard_remove       # G-27
         child: write 0..10
         child: exit
         read 0 = SIGSEGV
         read 4 = SIGSEGV
         write 5..10",
    );
}

#[test]
fn a_child_s_guards_leave_the_parent_s_data() {
    everywhere(
        "map 0..10 rw anon
         write 0..10 42
         fork child                             # G-28
         child: read 0..10 = 42
         child: advise 0..10 guard_install
         child: advise 0..10 guard_remove
         child: read 0..10 = 0
         read 0..10 = 42
         advise 0..10 wipeonfork                # G-29
         advise 0..5 guard_install
         fork second
         second: write 0..10
         read 0 = SIGSEGV",
    );
}

#[test]
fn advice_keeps_guards() {
    on_all(
        "map 0..10 rw BACKING
         advise 0..10 guard_install
         advise 0..10 populate_read = EFAULT    # G-31
         advise 0..10 populate_write = EFAULT
         pages 0..10 = gggggggggg",
    );
    everywhere(
        "map 0..10 rw anon
         advise 0..10 guard_install
         advise 0..10 free                      # G-30
         read 0 = SIGSEGV",
    );
}

#[test]
fn registered_memory_has_guards() {
    for backing in ["anon", "shmem"] {
        everywhere(&format!(
            "map 0..10 rw {backing}
             uffd 0..10 missing                 # G-33
             advise 0..10 guard_install
             read 0 = SIGSEGV
             write 9 = SIGSEGV
             advise 0..10 guard_remove
             read 0 = SIGBUS"
        ));
    }
}

#[test]
fn private_and_shared_mappings_have_their_own_guards() {
    for backing in ["shmem", "file"] {
        everywhere(&format!(
            "map 0..10 rw {backing}
             write 0..10 9
             map 20..30 rw {backing}-private
             advise 0..2 guard_install          # G-35
             read 0 = SIGSEGV
             read 20..30 = 9
             advise 20..22 guard_install        # G-36
             read 20 = SIGSEGV
             advise 0..10 guard_remove
             read 0..10 = 9
             read 20 = SIGSEGV
             advise 20..30 guard_remove
             read 20..30 = 9
             write 20..22 5                     # G-37
             advise 20..21 guard_install
             read 20 = SIGSEGV
             read 21 = 5
             read 0..10 = 9
             advise 20..30 guard_remove         # G-38
             read 20 = 9
             read 21 = 5"
        ));
    }
}

#[test]
fn fault_around_passes_guards_over() {
    for backing in ["shmem", "file"] {
        everywhere(&format!(
            "map 0..8 rw {backing}
             write 0..8 3
             unmap 0..8
             map 0..8 rw {backing}
             advise 0..1 guard_install          # G-40
             advise 4..5 guard_install
             read 1
             pages 0..8 = gXXXgXXX
             read 0 = SIGSEGV
             read 5 = 3"
        ));
    }
}

#[test]
fn read_only_memory_has_guards() {
    for backing in ["anon", "shmem"] {
        everywhere(&format!(
            "map 0..4 r {backing}
             read 0
             advise 0..1 guard_install          # G-46
             advise 2..3 guard_install
             pages 0..4 = g.g.
             read 0 = SIGSEGV
             advise 0..4 guard_remove
             read 0..4 = 0"
        ));
    }
}

#[test]
fn the_flag_shows_that_guards_may_be_there() {
    under(
        Profile::V6_18Stable,
        "map 0..10 rw anon
         flags 0 = rd wr mr mw me ac            # G-50
         advise 0..1 guard_install
         flags 0 = rd wr mr mw me gu ac
         advise 0..1 guard_remove
         flags 0 = rd wr mr mw me gu ac",
    );
    under(
        Profile::V6_18Stable,
        "map 0..10 rw file
         advise 0..10 guard_install
         unmap 4                                # G-51
         flags 0 = rd wr sh mr mw me ms gu
         flags 5 = rd wr sh mr mw me ms gu
         map 4..5 rw file@4                     # G-52
         vmas = 0..10 rw-s
         flags 4 = rd wr sh mr mw me ms gu",
    );
    under(
        Profile::V6_18,
        "map 0..10 rw anon
         advise 0..1 guard_install
         flags 0 = rd wr mr mw me ac sd",
    );
}

#[test]
fn write_protection_of_shared_memory_is_a_livelock() {
    everywhere(
        "map 0..4 rw shmem
         uffd 0..4 wp
         advise 0..4 guard_install
         advise 0..4 guard_remove",
    );
}

#[test]
fn a_vma_that_forbids_the_access_is_asked_first() {
    on_all(
        "map 0..2 rw BACKING
         advise 0..2 guard_install
         protect 0..2 -
         read 0 = SIGSEGV
         protect 0..2 rw
         read 0 = SIGSEGV
         lock 0..2 = ENOMEM
         advise 0..1 guard_remove",
    );
}
