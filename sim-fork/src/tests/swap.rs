//! The swap cache, as a running kernel (6.18) showed it with swap in zram, on a
//! loop device and in a file.

use sim_core::{Bytes, SwapDevice};

use super::{script, setups};

/// Runs a script with swap on a device, on every kernel and architecture.
#[track_caller]
fn on(device: SwapDevice, lines: &str) {
    for mut setup in setups() {
        setup.limits.swap_device = device;
        script::run(&setup, lines);
    }
}

#[track_caller]
fn on_all(lines: &str) {
    for &(_, device) in SwapDevice::NAMES {
        on(device, lines);
    }
}

#[test]
fn what_comes_back_is_clean_until_it_is_written() {
    on_all(
        "map 0..8 rw anon
         write 0..8 3
         advise 0..8 pageout
         pages 0..8 = oooooooo
         smaps 0 Swap = 32
         read 0..4 = 3
         smaps 0 Private_Clean = 16
         smaps 0 Private_Dirty = 0
         write 1 4
         write 5 5
         smaps 0 Private_Dirty = 8
         advise 0..8 pageout              # clean pages are not written again
         pages 0..8 = oooooooo
         read 0 = 3
         read 1 = 4
         read 5 = 5",
    );
}

#[test]
fn locked_memory_gives_its_places_back() {
    let lines = "map 0..4 rw anon
         write 0..4 3
         advise 0..4 pageout
         lock 0..4 onfault
         read 0..4 = 3
         smaps 0 Swap = 0";
    on(
        SwapDevice::Zram,
        &format!("{lines}\nsmaps 0 Private_Clean = 16"),
    );
    on(
        SwapDevice::File,
        &format!("{lines}\nsmaps 0 Private_Dirty = 16"),
    );
}

#[test]
fn the_last_of_two_processes() {
    let lines = "map 0..4 rw anon
         map 10..14 rw anon
         uffd 10..14 missing
         write 0..4 3
         advise 0..4 pageout
         fork child
         child: exit
         read 0..2 = 3
         write 1 4
         umove 11 from 1";
    on(SwapDevice::Zram, &format!("{lines}\numove 10 from 0"));
    on(
        SwapDevice::File,
        &format!("{lines}\numove 10 from 0 = EBUSY"),
    );
}

#[test]
fn what_was_asked_for_waits_in_the_swap_cache() {
    on_all(
        "map 0..4 rw anon
         map 10..14 rw anon
         map 20..24 rw shared
         uffd 10..14 missing
         write 0..4 3
         write 20..24 5
         advise 0..4 pageout
         advise 20..24 pageout
         fork child
         child: exit
         advise 0..2 willneed
         advise 20..22 willneed
         pages 0..4 = oooo
         pages 20..24 = ....
         smaps 20 Swap = 16
         read 0..4 = 3
         read 20..24 = 5
         umove 10 from 0 = EBUSY
         advise 0..4 dontneed
         advise 20..24 remove
         smaps 20 Swap = 0",
    );
}

#[test]
fn lazily_freed_pages_have_no_places() {
    on_all(
        "map 0..4 rw anon
         write 0..4 3
         advise 0..4 pageout
         read 0..2 = 3
         advise 0..4 free
         advise 0..4 cold                 # drains what waits
         pages 0..4 = xx..
         smaps 0 LazyFree = 8
         advise 0..4 pageout
         pages 0..4 = ....",
    );
}

#[test]
fn pages_of_zeroes_of_a_huge_page() {
    let lines = "map 0..512 rw anon
         advise 0..512 hugepage
         write 7 1
         advise 0..512 pageout";
    on(SwapDevice::Zram, &format!("{lines}\npages 6..9 = ooo"));
    on(SwapDevice::Disk, &format!("{lines}\npages 6..9 = ooo"));
    on(SwapDevice::File, &format!("{lines}\npages 6..9 = sos"));
}

/// As what follows was seen with swap on a loop device.
#[test]
fn huge_pages_in_the_swap_cache() {
    on(
        SwapDevice::Disk,
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 0 1
         write 7 1
         advise 0..512 pageout
         smaps 0 Swap = 2048
         read 7 = 1                       # all of it comes back
         smaps 0 Rss = 2048
         smaps 0 Private_Clean = 2048
         smaps 0 AnonHugePages = 0
         advise 0..512 pageout            # clean: dropped
         read 7 = 1
         smaps 0 Rss = 4
         write 9 1
         smaps 0 Swap = 2040
         write 0..512 1
         advise 0..512 collapse
         advise 0..512 pageout
         write 7 2
         smaps 0 Private_Dirty = 2048
         advise 10..14 dontneed
         advise 0..512 pageout
         smaps 0 Swap = 2032
         read 0 = 1
         smaps 0 Rss = 4",
    );
}

#[test]
fn a_part_of_a_huge_page_in_the_swap_cache() {
    on(
        SwapDevice::Disk,
        "map 0..512 rw anon
         map 1024..1536 rw anon
         uffd 1024..1536 missing
         advise 0..512 hugepage
         write 0..512 1
         advise 0..512 pageout
         umove 1024 from 0 = EBUSY        # all of it or nothing
         advise 10..14 dontneed
         read 20 = 1
         write 21 3
         smaps 0 Rss = 8
         smaps 0 Private_Dirty = 4
         smaps 0 Swap = 2024
         fork child
         child: write 20 4
         child: read 30 = 1
         unmap 400..512
         smaps 0 Swap = 1576
         child: exit
         advise 0..400 pageout
         read 20 = 1
         read 21 = 3",
    );
}

#[test]
fn shared_memory_is_there_for_minor_faults() {
    on_all(
        "map 0..4 rw shared
         write 3 1
         uffd 3..4 minor
         advise 3..4 pageout
         read 3 = SIGBUS",
    );
}

#[test]
fn a_full_swap_takes_nothing() {
    for &(_, device) in SwapDevice::NAMES {
        for mut setup in setups() {
            setup.limits.swap_device = device;
            setup.limits.swap = Bytes::from_pages(2);
            script::run(
                &setup,
                "map 0..4 rw anon
                 write 0..4 3
                 advise 0..4 pageout
                 pages 0..4 = ooxx
                 read 0..4 = 3
                 advise 0..4 pageout
                 read 0..4 = 3",
            );
        }
    }
}

#[test]
fn short_memory_takes_what_was_written() {
    for &(_, device) in SwapDevice::NAMES {
        for mut setup in setups() {
            setup.limits.swap_device = device;
            setup.limits.ram = Bytes::from_pages(300);
            script::run(
                &setup,
                "map 0..1000 rw anon
                 write 0..200 1
                 advise 0..200 pageout
                 write 200..400 2
                 write 400..600 3
                 fork child
                 child: read 0..200 = 1
                 child: exit
                 read 0..200 = 1
                 read 200..400 = 2
                 read 400..600 = 3",
            );
        }
    }
}

#[test]
fn pages_freed_lazily_and_written_stay_dirty() {
    on_all(
        "map 0..4 rw anon
         write 0..4 3
         advise 0..4 free
         advise 0..4 cold                 # drains what waits
         write 0..2 4
         advise 0..4 pageout
         pages 0..4 = xx..
         fork child
         child: advise 0..4 free          # another process has them, and they were written
         child: smaps 0 Shared_Dirty = 8
         child: smaps 0 LazyFree = 0
         read 0..2 = 4",
    );
}

#[test]
fn a_huge_page_freed_lazily_stays_if_a_page_was_written() {
    on_all(
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 0..512 1
         protect 0..1 r                   # single entries
         protect 0..1 rw
         advise 0..512 free
         advise 0..512 cold
         write 100 2
         advise 0..512 pageout
         smaps 0 Rss = 2048
         smaps 0 LazyFree = 0
         advise 0..512 free
         advise 0..512 cold
         smaps 0 LazyFree = 2048
         advise 0..512 pageout
         smaps 0 Rss = 0",
    );
}

/// With swap on a disk a collapse stops where it must read.
#[test]
fn collapse_does_not_wait_for_a_disk() {
    let lines = "map 0..512 rw anon
         advise 0..512 nohugepage
         write 0..512 1
         advise 0..512 hugepage
         advise 2..4 pageout
         read 2..4 = 1
         advise 0..4 pageout
         pages 0..4 = oooo";
    on(
        SwapDevice::Zram,
        &format!("{lines}\nadvise 0..512 collapse"),
    );
    for device in [SwapDevice::Disk, SwapDevice::File] {
        on(
            device,
            &format!(
                "{lines}
                 advise 0..512 collapse = EAGAIN
                 pages 0..4 = xxoo
                 advise 0..512 collapse = EAGAIN
                 pages 0..4 = xxxo
                 advise 0..512 collapse"
            ),
        );
    }
}

/// One page of a huge page was written: when it becomes single pages, all count as written.
#[test]
fn what_was_written_of_a_huge_page() {
    on(
        SwapDevice::Disk,
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 0..512 1
         advise 0..512 pageout
         read 7 = 1
         write 9 2
         smaps 0 Private_Dirty = 4
         advise 20..21 free
         smaps 0 Private_Dirty = 2044",
    );
}

/// Pages of zeroes are on the disk if what they were swapped out with held something.
#[test]
fn zeroes_are_read_with_what_they_were_written_with() {
    on(
        SwapDevice::Disk,
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 7 1
         advise 0..512 pageout
         read 7 = 1
         advise 0..512 pageout
         advise 0..512 collapse = EAGAIN
         advise 0..512 collapse = EAGAIN
         pages 0..3 = xoo",
    );
}

/// A huge page is written again by the only process that is left: it needs no places.
#[test]
fn huge_pages_are_reused() {
    on(
        SwapDevice::Disk,
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 0..512 1
         advise 0..512 pageout
         read 7 = 1
         fork child
         child: exit
         write 9 2
         smaps 0 Rss = 2048
         smaps 0 Private_Dirty = 2048",
    );
}
