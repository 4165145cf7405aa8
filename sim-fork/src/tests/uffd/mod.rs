//! userfaultfd: the cases of `tools/testing/selftests/mm/uffd-unit-tests.c` (U-01 …) that need no
//! handler, `uffd-wp-mremap.c` (D-06), and what random sequences on a kernel showed.

mod fill;
mod moves;
mod protect;

use sim_core::{Profile, UffdFeatures};

use super::{everywhere, script, setup};

/// Runs a script under every profile with a userfaultfd of other features.
#[track_caller]
fn with(features: UffdFeatures, lines: &str) {
    for &profile in Profile::ALL {
        let mut setup = setup(profile);
        setup.uffd = features;
        script::run(&setup, lines);
    }
}

#[test]
fn which_memory_can_be_registered() {
    everywhere(
        "map 0..4 rw anon
         map 10..14 rw shmem
         map 20..24 rw file
         uffd 0..4 minor = EINVAL         # U-02
         uffd 0..4 missing+minor = EINVAL
         uffd 0..4 missing+wp
         uffd 10..14 missing+wp+minor
         uffd 20..24 wp = EINVAL
         uffd 5..8 wp = EINVAL
         unuffd 0..14",
    );
    with(
        UffdFeatures::SIGBUS | UffdFeatures::WP_ASYNC,
        "map 0..4 rw file
         uffd 0..4 wp
         uffd 0..4 missing+wp = EINVAL
         ucopy 0 1 = EINVAL
         wp 0..4
         pages 0..4 = wwww
         read 0 = 1
         armed 0..4 = wwww
         pages 0..4 = Xwww                # no fault-around
         write 0 2
         armed 0..4 = .www",
    );
}

#[test]
fn minor_faults() {
    everywhere(
        "map 0..4 rw shmem
         map 10..14 rw shmem
         uffd 0..4 minor                  # U-10
         write 10 5
         read 0 = SIGBUS
         write 0 = SIGBUS
         read 1 = 0                       # no minor fault without a page
         read 11 = 0
         uffd 0..4 missing+minor
         read 2 = SIGBUS
         advise 10..14 dontneed
         unuffd 0..4
         read 0 = 5",
    );
}

#[test]
fn without_sigbus_accesses_wait() {
    with(
        UffdFeatures::WP_UNPOPULATED,
        "map 0..8 rw anon
         uffd 0..4 missing+wp
         ucopy 0 1
         wp 0
         read 1 = UFFD_WAIT
         write 1 = UFFD_WAIT
         write 0 = UFFD_WAIT
         read 0 = 1
         pages 0..4 = x...
         advise 0..2 populate_read = UFFD_WAIT
         advise 0..1 populate_write = UFFD_WAIT
         lock 0..4 = UFFD_WAIT
         ucopy 3 from 1 = UFFD_WAIT
         pages 0..4 = x...",
    );
}
