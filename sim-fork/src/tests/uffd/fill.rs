//! Filling missing pages: copies, zero pages, poison.

use sim_core::Profile;

use crate::tests::{everywhere, under};

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
