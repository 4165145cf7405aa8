//! Huge pages of shared memory in swap, as a running kernel (6.18) showed them with swap in zram, on a
//! loop device and in a file.

use sim_core::{Bytes, SwapDevice};

use super::{script, setups};

/// A huge page of the memfd, swapped out.
const OUT: &str = "map 0..512 rw shmem
     write 0..512 3
     advise 0..512 collapse
     smaps 0 ShmemPmdMapped = 2048
     advise 0..512 pageout
     smaps 0 Rss = 0
     smaps 0 Swap = 2048";

/// Runs scripts with swap on a device, on every kernel and architecture; the memfd has so many pages.
#[track_caller]
fn on(device: SwapDevice, pages: u64, lines: &[&str]) {
    for mut setup in setups() {
        setup.limits.swap_device = device;
        setup.files[1].size = Bytes::from_pages(pages);
        script::run(&setup, &lines.join("\n"));
    }
}

#[test]
fn all_of_it_comes_back() {
    for device in [SwapDevice::Zram, SwapDevice::Disk] {
        let back = "read 7 = 3
             smaps 0 ShmemPmdMapped = 2048
             smaps 0 Private_Dirty = 2048
             smaps 0 Swap = 0
             advise 0..512 pageout
             write 9 4
             smaps 0 ShmemPmdMapped = 2048
             read 511 = 3
             advise 0..512 pageout
             advise 0..512 collapse
             smaps 0 ShmemPmdMapped = 2048
             read 9 = 4
             advise 0..512 pageout
             advise 0..512 nohugepage
             read 9 = 4
             smaps 0 Rss = 2048
             smaps 0 ShmemPmdMapped = 0";
        on(device, 512, &[OUT, back]);
    }
}

#[test]
fn a_file_takes_single_pages() {
    let back = "read 7 = 3
         smaps 0 Rss = 4
         smaps 0 Swap = 2044
         advise 5..15 populate_write
         smaps 0 Swap = 2008
         advise 0..512 collapse
         smaps 0 ShmemPmdMapped = 2048";
    on(SwapDevice::File, 512, &[OUT, back]);
}

/// Disks read single pages; zeroes were not written, so they are not in the swap cache.
#[test]
fn zeroes() {
    let out = "map 0..512 rw shmem
         write 0..512 0
         advise 0..512 collapse
         advise 0..512 pageout
         smaps 0 Swap = 2048
         read 5 = 0";
    on(SwapDevice::Zram, 512, &[out, "smaps 0 Rss = 2048"]);
    on(SwapDevice::Disk, 512, &[out, "smaps 0 Rss = 4"]);
}

/// A page of it in the swap cache is in the way. What is left of the entry is as large as the tree of
/// the page cache has it.
#[test]
fn what_is_left_of_an_entry() {
    let back = "advise 5..15 willneed              # reads the first page
         read 7 = 3
         smaps 0 Rss = 4
         smaps 0 Swap = 2044
         read 40 = 3
         smaps 0 Rss = 132
         read 100 = 3
         smaps 0 Rss = 388
         write 511 5
         smaps 0 Rss = 644
         smaps 0 Swap = 1404
         advise 0..512 pageout
         smaps 0 Swap = 2048
         read 100 = 3
         smaps 0 Rss = 256
         advise 0..512 collapse
         smaps 0 ShmemPmdMapped = 2048";
    on(SwapDevice::Zram, 512, &[OUT, back]);
}

/// Linux loses its place behind an entry in which it began.
#[test]
fn will_need_from_within() {
    let lines = "map 0..1024 rw shmem
         write 0..1024 3
         advise 0..1024 collapse
         advise 0..1024 pageout
         smaps 0 Swap = 4096
         advise 512..513 willneed
         read 519 = 3
         smaps 0 Swap = 4092
         advise 100..1024 willneed
         read 550 = 3                       # 544..576 was passed over
         smaps 0 Rss = 132
         read 600 = 3                       # 576..640 was not
         smaps 0 Rss = 136";
    on(SwapDevice::Zram, 1024, &[lines]);
}

#[test]
fn who_has_a_part_counts_all() {
    let parts = "map 600..610 rw shmem@100
         smaps 600 Swap = 2048
         map 700..710 r shmem-private@100
         smaps 700 Swap = 2048
         map 800..810 rw shmem-private@100
         smaps 800 Swap = 2048
         unmap 800..810
         advise 0..1 willneed
         read 7 = 3
         smaps 600 Swap = 256";
    on(SwapDevice::Zram, 512, &[OUT, parts]);
}

/// Once for every page that has no entry.
#[test]
fn private_mappings_count_it_again_and_again() {
    let lines = "map 0..512 rw shmem
         write 0..512 3
         advise 0..512 collapse
         map 1024..1536 rw shmem-private
         write 1031 1
         map 2036..2056 rw shmem-private@500
         write 2036 1
         advise 0..512 pageout
         smaps 0 Swap = 2048
         smaps 1024 Swap = 1046528
         smaps 2036 Swap = 22528";
    on(SwapDevice::Zram, 512, &[lines]);
    on(SwapDevice::Disk, 512, &[lines]);
}

/// Pages beyond the end go when it is split; the others go to swap alone.
#[test]
fn the_end_inside() {
    let lines = "map 0..512 rw shmem
         write 0..300 3
         advise 0..512 collapse
         advise 0..512 pageout
         smaps 0 Swap = 1200
         read 3 = 3
         smaps 0 Rss = 4
         smaps 0 Swap = 1196";
    for &(_, device) in SwapDevice::NAMES {
        on(device, 300, &[lines]);
    }
}

#[test]
fn a_userfaultfd_hears_of_every_page() {
    let zram = "uffd 0..512 missing
         read 7 = 3
         smaps 0 Rss = 4
         unuffd 0..512
         read 100 = 3
         smaps 0 Rss = 260";
    on(SwapDevice::Zram, 512, &[OUT, zram]);
    let disk = "uffd 0..512 missing
         read 7 = 3
         smaps 0 Rss = 2048                 # it is in the swap cache";
    on(SwapDevice::Disk, 512, &[OUT, disk]);
}

#[test]
fn all_mappings_of_it() {
    let lines = "map 0..512 rw shmem
         map 1024..1536 rw shmem
         write 0..512 3
         advise 0..512 collapse
         read 1024 = 3
         fork child
         child: read 0 = 3
         advise 0..512 pageout              # somebody else has it
         smaps 0 Rss = 2048
         child: exit
         advise 0..512 pageout
         smaps 0 Rss = 0
         smaps 1024 Rss = 0
         smaps 1024 Swap = 2048
         read 1030 = 3
         unmap 1034..1536
         lock 1024..1034
         advise 0..512 pageout              # the locked one stays
         smaps 1024 Rss = 40
         read 20 = 3
         smaps 0 Swap = 0";
    on(SwapDevice::Zram, 512, &[lines]);
}

#[test]
fn a_hole_in_it() {
    for device in [SwapDevice::Zram, SwapDevice::Disk] {
        let hole = "advise 5..6 remove
             smaps 0 Swap = 0
             read 4 = 3
             read 6 = 3
             read 100 = 3
             read 5 = 0
             advise 0..512 pageout
             advise 0..512 remove
             smaps 0 Swap = 0
             read 100 = 0";
        on(device, 512, &[OUT, hole]);
    }
}

/// Its page cache, and its places in swap, go with the last mapping.
#[test]
fn nobody_has_it() {
    for &(_, device) in SwapDevice::NAMES {
        let lines = "map 0..512 rw shared
             write 0..512 3
             advise 0..512 collapse
             advise 0..512 pageout
             fork child
             unmap 0..512
             child: read 100..110 = 3
             child: advise 0..512 pageout
             child: unmap 0..512";
        on(device, 512, &[lines]);
    }
}

/// In pieces it goes as far as there is room: the first page, then from the last one down.
#[test]
fn little_swap() {
    for mut setup in setups() {
        setup.limits.swap = Bytes::from_pages(100);
        setup.files[1].size = Bytes::from_pages(512);
        script::run(
            &setup,
            "map 0..512 rw shmem
             write 0..512 3
             advise 0..512 collapse
             advise 0..512 pageout
             smaps 0 Swap = 400
             read 412 = 3
             smaps 0 Swap = 400
             read 413 = 3
             smaps 0 Swap = 396
             read 0 = 3
             smaps 0 Swap = 392",
        );
    }
}
