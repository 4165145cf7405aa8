//! Write protection, and what keeps or loses it.

use sim_core::UffdFeatures;

use super::with;
use crate::tests::everywhere;

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
