//! The swap cache, as a running kernel (6.18) showed it with swap in zram and in a file.

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
fn on_both(lines: &str) {
    on(SwapDevice::Zram, lines);
    on(SwapDevice::File, lines);
}

#[test]
fn what_comes_back_is_clean_until_it_is_written() {
    on_both(
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
    on_both(
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
    on_both(
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
    on(SwapDevice::File, &format!("{lines}\npages 6..9 = sos"));
}

#[test]
fn shared_memory_is_there_for_minor_faults() {
    on_both(
        "map 0..4 rw shared
         write 3 1
         uffd 3..4 minor
         advise 3..4 pageout
         read 3 = SIGBUS",
    );
}

#[test]
fn a_full_swap_takes_nothing() {
    for device in [SwapDevice::Zram, SwapDevice::File] {
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
    for device in [SwapDevice::Zram, SwapDevice::File] {
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
