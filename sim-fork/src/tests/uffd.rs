//! userfaultfd: the cases of `tools/testing/selftests/mm/uffd-unit-tests.c` (U-01 …) that need no
//! handler, `uffd-wp-mremap.c` (D-06), and what random sequences on a kernel showed.

use sim_core::{Profile, UffdFeatures};

use super::{everywhere, script, setup, under};

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
fn copies() {
    everywhere(
        "map 0..8 rw anon
         ucopy 0 7 = ENOENT               # not registered
         uffd 0..8 missing
         read 0 = SIGBUS
         ucopy 0..2 7
         read 0..2 = 7
         ucopy 1..3 8 = EEXIST
         ucopy 3 9
         ucopy 2..5 8 = EAGAIN            # the first of three
         pages 0..6 = xxxx..
         ucopy 6..9 1 = ENOENT            # more than one VMA
         write 0 3
         ucopy 4 from 0
         read 4 = 3
         ucopy 5 from 20 = EFAULT
         ucopy 5 from 6 = EFAULT          # the source is missing itself
         map 20..24 rw anon
         ucopy 5 from 21
         read 5 = 0
         pages 20..24 = .s..              # reading brought the zero page in
         map 30..31 - anon
         ucopy 6 from 30 = EFAULT
         pages 6..8 = ..",
    );
}

#[test]
fn read_only_memory_is_filled_all_the_same() {
    everywhere(
        "map 0..2 r anon                  # O-04
         uffd 0..2 missing
         ucopy 0 5
         read 0 = 5
         write 0 = SIGSEGV",
    );
}

#[test]
fn zero_pages() {
    everywhere(
        "map 0..4 rw anon                 # U-03
         uffd 0..4 missing
         uzero 0
         uzero 0 = EEXIST
         read 0 = 0
         pages 0..2 = s.
         smaps 0 Rss = 0
         write 0 1
         pages 0..2 = x.
         uzero 3
         uzero 2..4 = EAGAIN
         map 10..14 rw shmem
         uffd 10..14 missing
         uzero 10
         uzero 10 = EEXIST
         smaps 10 Rss = 4
         map 20..24 rw shmem-private@10
         uffd 20..24 missing
         uzero 20
         pages 20 = s",
    );
}

#[test]
fn shared_memory_gets_pages_of_its_own() {
    everywhere(
        "map 0..4 rw shmem
         map 10..14 rw shmem
         uffd 0..4 missing
         write 10 5
         read 0 = 5                       # in the object: not missing
         ucopy 0 6 = EEXIST
         write 11 6
         ucopy 1 7 = EEXIST               # in the object, if not mapped here
         ucopy 2 9
         read 12 = 9
         read 3 = SIGBUS
         read 13 = 0
         read 3 = 0
         map 20..24 rw shmem-private
         uffd 20..24 missing
         ucopy 20 8                       # over a page of the object
         read 20 = 8
         read 10 = 5
         map 96..104 rw shmem@96
         uffd 96..104 missing
         ucopy 100 1 = EFAULT             # beyond the end
         uzero 100 = EFAULT
         upoison 100 = EFAULT
         ucopy 99..101 2 = EAGAIN
         write 10..14
         advise 10..14 remove
         read 2 = SIGBUS
         ucopy 2 3
         read 12 = 3",
    );
}

#[test]
fn poison() {
    everywhere(
        "map 0..8 rw anon                 # U-14
         uffd 0..8 missing
         upoison 0
         ucopy 1 0
         upoison 2
         read 0 = SIGBUS
         read 1 = 0
         write 2 = SIGBUS
         upoison 0 = EEXIST
         upoison 1 = EEXIST
         uzero 0 = EEXIST
         pages 0..4 = pxp.
         lock 0..4 = ENOMEM
         unlock 0..4
         advise 0..4 populate_read = EHWPOISON
         fork child
         child: read 0 = SIGBUS
         ucopy 0 4                        # poison may be replaced
         read 0 = 4
         advise 2 dontneed
         read 2 = SIGBUS                  # missing again
         upoison 3
         move 3..4 20..21
         read 20 = SIGBUS
         unuffd 0..8
         read 2 = 0",
    );
}

#[test]
fn copies_replace_markers() {
    everywhere(
        "map 0..8 rw anon
         uffd 0..8 missing+wp
         wp 0..2
         pages 0..3 = ww.
         upoison 0 = EEXIST
         uzero 0 = EEXIST
         ucopy 0 5
         armed 0..2 = .w
         write 0 6",
    );
}

#[test]
fn copies_and_guards() {
    let lines = "map 0..4 rw anon
         uffd 0..4 missing
         advise 0..2 guard_install
         upoison 0 = EEXIST
         uzero 0 = EEXIST
         wp 0..4 = ENOENT
         read 0 = SIGSEGV
         ";
    let replaced = "ucopy 0 5
         read 0 = 5
         pages 0..3 = xg.";
    let kept = "ucopy 0 5 = EEXIST
         pages 0..3 = gg.";
    under(Profile::V6_18, &format!("{lines}{replaced}"));
    under(Profile::V6_19, &format!("{lines}{kept}"));
}

#[test]
fn write_protection() {
    everywhere(
        "map 0..8 rw anon
         wp 0 = ENOENT
         uffd 0..8 wp
         write 0..2 1
         wp 0..4                          # two pages, two markers: U-09
         armed 0..6 = wwww..
         read 0..4
         write 0 = SIGBUS
         write 3 = SIGBUS
         armed 0..6 = wwww..
         unwp 0..4
         armed 0..6 = ......
         write 0..4 2
         wp 0..8
         advise 0..8 dontneed             # nothing is left of it
         armed 0..8 = ........
         write 0..8
         wp 2..5
         unuffd 3..8
         armed 0..8 = ..w.....
         write 3
         write 2 = SIGBUS
         map 8..10 rw anon
         wp 0..10 = ENOENT                # what comes before is protected
         armed 0..4 = www.",
    );
}

#[test]
fn write_protection_of_unpopulated_memory_is_a_feature() {
    with(
        UffdFeatures::SIGBUS,
        "map 0..4 rw anon
         map 10..14 rw shmem
         uffd 0..4 wp
         uffd 10..14 wp
         write 0
         wp 0..4
         wp 10..14
         pages 0..4 = x...
         armed 0..4 = w...
         pages 10..14 = wwww
         write 1",
    );
}

#[test]
fn write_protection_of_objects_survives_their_pages() {
    everywhere(
        "map 0..4 rw shmem
         uffd 0..4 wp
         write 0..4
         wp 0..2
         advise 0..4 dontneed             # U-06
         pages 0..4 = ww..
         read 0..4
         pages 0..4 = XXXX
         armed 0..4 = ww..
         write 0 = SIGBUS
         map 10..14 rw shmem-private@10
         uffd 10..14 missing+wp
         uzero 10..12
         wp 10
         advise 10..14 dontneed
         pages 10..14 = w...
         unmap 0..4
         map 0..4 rw shmem
         pages 0..4 = ....",
    );
}

#[test]
fn fork_loses_protection() {
    everywhere(
        "map 0..4 rw anon
         map 10..14 rw shmem
         uffd 0..4 missing+wp
         uffd 10..14 wp
         ucopy 0..2 1
         wp 0..3
         wp 10..14
         fork child                       # U-06
         child: armed 0..4 = ....
         child: armed 10..14 = ....
         child: write 0..4
         child: uffd 0..4 wp
         child: wp 0..4
         armed 0..4 = www.
         write 0 = SIGBUS",
    );
    with(
        UffdFeatures::SIGBUS | UffdFeatures::WP_UNPOPULATED | UffdFeatures::EVENT_FORK,
        "map 0..4 rw anon
         map 4..6 r anon
         map 6..8 rw anon
         uffd 0..8 missing+wp
         ucopy 0..2 1
         wp 0..3
         fork child                       # U-07
         child: armed 0..4 = www.
         child: write 0 = SIGBUS
         child: read 3 = SIGBUS
         child: protect 4..6 rw
         child: vmas = 0..4 rw-p|4..8 rw-p   # one context for all
         child: uffd 0..4 wp = EBUSY
         child: unuffd 0..4 = EINVAL
         child: ucopy 3 4
         child: read 3 = 4
         child: umove 4 from 3 = EINVAL
         armed 0..4 = www.",
    );
    with(
        UffdFeatures::SIGBUS | UffdFeatures::WP_UNPOPULATED | UffdFeatures::EVENT_FORK,
        "map 0..4 rw anon
         uffd 0..4 missing+wp
         ucopy 0..2 1
         wp 0..3
         fork child
         child: fork grandchild           # whose userfaultfd is another one again
         grandchild: armed 0..4 = www.
         grandchild: write 0 = SIGBUS
         grandchild: uffd 0..4 wp = EBUSY
         grandchild: unuffd 0..4 = EINVAL
         child: armed 0..4 = www.
         exit child
         grandchild: ucopy 3 4
         grandchild: read 3 = 4",
    );
}

#[test]
fn moves_lose_protection() {
    let lines = "map 0..4 rw BACKING
         uffd 0..4 wp
         write 0..2
         wp 0..4
         move 0..4 20..24                 # D-06
         ";
    for backing in ["anon", "shmem"] {
        let lines = lines.replace("BACKING", backing);
        everywhere(&format!("{lines} armed 20..24 = ....\nwrite 20..24"));
        let hears = UffdFeatures::SIGBUS | UffdFeatures::WP_UNPOPULATED;
        with(
            hears | UffdFeatures::EVENT_REMAP,
            &format!("{lines} armed 20..24 = wwww\nwrite 20 = SIGBUS\nunuffd 20..24\nwrite 20"),
        );
    }
}

#[test]
fn asynchronous_protection_breaks_by_itself() {
    with(
        UffdFeatures::SIGBUS | UffdFeatures::WP_ASYNC,
        "map 0..4 rw anon
         map 10..14 rw shmem
         uffd 0..4 wp
         uffd 10..14 wp
         write 0..2 1
         write 10
         wp 0..4                          # unpopulated memory is included
         wp 10..14
         write 0 2
         write 2 3
         write 10
         write 12
         armed 0..4 = .w.w
         armed 10..14 = .w.w
         read 0 = 2",
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

#[test]
fn pages_move() {
    everywhere(
        "map 0..8 rw anon                 # U-04
         map 10..18 rw anon
         uffd 0..8 missing
         write 10..13 7
         read 13
         umove 0..3 from 10
         read 0..3 = 7
         pages 0..4 = xxx.
         pages 10..14 = ...s
         read 10 = 0
         umove 3 from 13                  # the zero page
         pages 0..4 = xxxs
         umove 3 from 10 = EEXIST
         umove 4 from 14 = ENOENT         # nothing there
         write 14 1
         umove 4..6 from 14 = EAGAIN
         umove 6 from 0                   # within a VMA
         pages 0..8 = .xxsx.x.
         umove 0..8 from 11 = EINVAL      # past the end of the VMA
         umove 10 from 1 = EINVAL         # not registered
         umove 0 from 40 = ENOENT
         umove 40 from 0 = ENOENT
         advise 15 guard_install
         umove 0 from 15 = EFAULT
         protect 16..18 r
         umove 0 from 16 = EINVAL
         fork child
         umove 0 from 1 = EBUSY           # shared with the child
         write 1 2
         umove 0 from 1
         read 0 = 2
         child: read 1 = 7",
    );
}

#[test]
fn pages_of_a_huge_page_move() {
    everywhere(
        "map 0..512 rw anon
         map 512..1536 rw anon
         advise 512..1536 hugepage
         uffd 0..512 missing
         uffd 1024..1536 missing
         write 512 7
         pages 512..514 = HH
         umove 0..2 from 512              # U-05: split, and zeroes become the zero page
         pages 0..3 = xs.
         pages 512..516 = ..ss
         smaps 512 Rss = 0
         read 0 = 7",
    );
    everywhere(
        "map 0..1536 rw anon
         advise 0..1536 hugepage
         write 0 7
         uffd 512..1536 missing+wp
         umove 512..1024 from 0           # whole
         pages 512..514 = HH
         pages 0..2 = ..
         read 512 = 7
         wp 512..1024
         armed 512..514 = ww
         pages 512..514 = HH
         write 513 = SIGBUS
         unwp 513..514
         write 513 3
         pages 512..514 = xx
         armed 512..515 = w.w
         ucopy 514 1 = EEXIST",
    );
}

#[test]
fn swapped_pages() {
    everywhere(
        "map 0..8 rw anon
         map 10..18 rw anon
         uffd 0..8 missing+wp
         uffd 10..18 wp
         ucopy 0..3 7
         wp 0..2
         advise 0..3 pageout
         pages 0..4 = ooo.
         armed 0..4 = ww..
         wp 2..3                          # the bit of a swap entry
         unwp 1..2
         armed 0..4 = w.w.
         write 2 = SIGBUS
         read 2 = 7
         write 1 8
         armed 0..4 = w.w.
         umove 5 from 0                   # as it is
         pages 0..8 = .xx..o..
         read 5 = 7
         move 5..6 30..31                 # D-06
         armed 30 = .
         write 10 9
         advise 10 pageout
         fork child
         umove 0 from 10 = EBUSY          # shared with the child
         ucopy 3 from 10
         read 3 = 9
         child: read 10 = 9",
    );
}

#[test]
fn failing_allocations_leave_whole_pages() {
    let prepare = "map 0..8 rw anon
         map 10..18 rw shmem
         map 2000..2008 rw anon
         write 2000..2008 3
         uffd 0..18 missing+wp\n";
    for call in [
        "ucopy 0..4 5",
        "ucopy 0..4 from 2000",
        "ucopy 10..14 5",
        "uzero 0..4",
        "uzero 10..14",
        "upoison 0..4",
        "wp 0..8",
        "wp 10..18",
        "umove 0..4 from 2000",
    ] {
        for nth in 1..12 {
            let again = call.replace("0..4", "5..7").replace("10..14", "15..17");
            let again = again.replace("from 2000", "from 2005");
            let lines = format!("{prepare}inject {nth}\n{call} = any\n{again} = any");
            everywhere(&lines);
        }
    }
}
