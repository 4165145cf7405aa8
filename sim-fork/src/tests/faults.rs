//! Faults, populate, mprotect and advice, as seen in pagemap and smaps.

use super::everywhere;

#[test]
fn anonymous_memory() {
    everywhere(
        "map 0..4 rw anon
         read 0 = 0
         write 1 5
         pages 0..4 = sx..
         smaps 0 Rss = 4
         smaps 0 Anonymous = 4
         smaps 0 Private_Dirty = 4
         smaps 0 Referenced = 4
         write 0 6
         pages 0..4 = xx..
         advise 0..4 dontneed
         pages 0..4 = ....
         read 1 = 0
         read 4 = SIGSEGV
         unmap 0..4
         read 1 = SIGSEGV",
    );
}

#[test]
fn protection_is_obeyed() {
    everywhere(
        "map 0..4 rw anon
         write 0..4 1
         protect 0..4 r
         write 0 = SIGSEGV
         exec 0 = SIGSEGV
         read 0 = 1
         protect 0..4 -
         read 0 = SIGSEGV
         pages 0..4 = xxxx
         protect 0..4 w
         read 0 = 1
         protect 0..4 x
         read 0 = 1
         exec 0..4
         protect 0..4 rw
         write 0..4 2
         read 0..4 = 2",
    );
}

#[test]
fn files_fault_around() {
    everywhere(
        "map 3..40 rw file
         read 7 = 5
         pages 0..20 = ...XXXXXXXXXXXXXXXX.
         write 30
         pages 28..32 = ..X.
         smaps 3 Private_Clean = 64
         smaps 3 Private_Dirty = 4
         smaps 3 Anonymous = 0
         write 3 9
         smaps 3 Private_Dirty = 8
         sync 3..40
         smaps 3 Private_Dirty = 0
         write 3 8
         smaps 3 Private_Dirty = 4
         unmap 3..40
         map 3..40 r file
         read 3 = 8
         smaps 3 Private_Dirty = 4",
    );
}

#[test]
fn beyond_the_end_is_sigbus() {
    for backing in ["file", "shmem", "file-private"] {
        everywhere(&format!(
            "map 0..110 rw {backing}
             read 99
             read 100 = SIGBUS
             write 100 = SIGBUS
             advise 100..110 guard_install
             read 100 = SIGSEGV"
        ));
    }
}

#[test]
fn holes_of_shared_memory_are_filled_one_by_one() {
    everywhere(
        "map 0..8 rw shmem
         read 0 = 0
         pages 0..4 = X...
         smaps 0 Private_Clean = 4
         write 0
         smaps 0 Private_Dirty = 4
         write 2
         advise 0..8 dontneed
         pages 0..4 = ....
         read 1
         pages 0..4 = XXX.",
    );
}

#[test]
fn populate_does_as_the_vma_wants() {
    everywhere(
        "map 0..4 r anon populate
         pages 0..4 = ssss
         map 4..8 rw anon populate
         pages 4..8 = xxxx
         map 10..14 rw file populate
         pages 10..14 = XXXX
         map 20..24 rw anon locked
         pages 20..24 = xxxx
         map 30..34 - anon
         lock 30..34 = ENOMEM
         map 40..44 r anon
         advise 40..44 populate_write = EINVAL
         advise 40..44 populate_read
         map 50..54 w anon
         advise 50..54 populate_read = EINVAL
         advise 50..54 populate_write
         advise 50..58 populate_write = ENOMEM
         map 60..64 rw anon
         lock 60..64 onfault
         pages 60..64 = ....
         write 61
         smaps 60 Locked = 4",
    );
}

#[test]
fn unlocking_and_lazy_freeing() {
    everywhere(
        "map 0..4 rw anon
         write 0..4 1
         advise 0..4 free
         smaps 0 LazyFree = 0
         smaps 0 Private_Clean = 16
         advise 0..4 cold
         smaps 0 LazyFree = 16
         write 0 2
         smaps 0 LazyFree = 12
         read 1..4 = 1",
    );
}

#[test]
fn stacks_grow() {
    everywhere(
        "map 1000..1010 rw anon growsdown
         write 990
         vmas = 990..1010 rw-p
         pages 989..992 = .x.
         map 400..401 rw anon
         write 657
         write 656 = SIGSEGV",
    );
}

#[test]
fn registered_memory_waits_or_dies() {
    everywhere(
        "map 0..4 rw anon
         write 0
         uffd 0..4 missing
         read 0
         read 1 = SIGBUS
         write 1 = SIGBUS
         map 10..14 rw shmem
         uffd 10..14 missing
         read 10 = SIGBUS",
    );
}

#[test]
fn tables_go_with_their_mappings() {
    everywhere(
        "map 0..2000 rw anon
         write 0
         write 600
         write 1999
         unmap 500..1000
         unmap 0..2000
         map 0..4 rw anon
         write 0..4
         move 0..4 5000..5004
         read 5000..5004 = 0
         move 5000..5004 512..516
         unmap 0..10000",
    );
}

#[test]
fn a_miss_reads_around_and_maps_around() {
    everywhere(
        "map 0..20 rw file
         advise 4..8 remove
         pages 0..20 = ....................
         read 5 = 0
         pages 0..20 = XXXXXXXXXXXXXXXX....
         map 0..20 rw file
         advise 4..8 remove
         advise 0..20 random
         read 5 = 0
         pages 0..20 = XXXX.X..XXXXXXXX....",
    );
}

#[test]
fn droppable_pages_are_lazily_freed_from_the_start() {
    everywhere(
        "map 0..2 rw droppable
         advise 0..1 populate_write
         smaps 0 LazyFree = 0
         advise 0..1 free
         smaps 0 LazyFree = 4
         smaps 0 Referenced = 4",
    );
}
