//! Copy-on-write: cases of `tools/testing/selftests/mm/cow.c` (W-01 …) and more.

use super::everywhere;

#[test]
fn a_child_keeps_what_it_saw() {
    everywhere(
        "map 0..4 rw anon
         write 0..4 1
         fork child                     # W-01
         write 0..4 2
         child: read 0..4 = 1
         read 0..4 = 2",
    );
    everywhere(
        "map 0..4 rw anon
         write 0..4 1
         fork child                     # W-02
         protect 0..4 r
         protect 0..4 rw
         write 0..4 2
         child: read 0..4 = 1
         child: write 0..4 3
         read 0..4 = 2",
    );
}

#[test]
fn the_last_owner_writes_in_place() {
    everywhere(
        "map 0..2 rw anon
         write 0..2 1
         fork child
         pages 0..2 = ss
         write 0 2
         pages 0..2 = xs
         child: pages 0..2 = xs
         child: exit
         pages 0..2 = xx
         write 1 3
         read 1 = 3
         pages 0..2 = xx",
    );
}

#[test]
fn private_mappings_do_not_write_through() {
    for backing in ["file", "shmem"] {
        everywhere(&format!(
            "map 0..4 rw {backing}
             write 0..4 7
             map 10..14 rw {backing}-private
             read 10..14 = 7
             pages 10..14 = SSSS            # W-16
             write 10 8
             read 0 = 7
             read 10 = 8
             pages 10..14 = xSSS
             write 0 9
             read 10 = 8
             read 11 = 7"
        ));
    }
    everywhere(
        "map 0..4 rw anon
         read 0..4 = 0
         pages 0..4 = ssss
         write 1 5
         read 0..1 = 0
         read 1 = 5
         pages 0..4 = sxss",
    );
}

#[test]
fn populating_a_private_mapping_copies_at_once() {
    everywhere(
        "map 0..1 rw file
         write 0 120
         map 10..11 rw file-private populate
         pages 10..11 = x
         read 10 = 120                  # W-18
         write 0 121
         read 10 = 120",
    );
}

#[test]
fn a_grandchild_shares_too() {
    everywhere(
        "map 0..1 rw anon
         write 0 1
         fork a
         a: fork b
         smaps 0 Pss = 1
         b: write 0 2
         smaps 0 Pss = 2
         a: read 0 = 1
         a: exit
         smaps 0 Pss = 4
         b: read 0 = 2",
    );
}
