//! Moving pages.

use crate::tests::everywhere;

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
