//! The allocator and the counts of folios.

use sim_sync::prim::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Arc;

use super::*;

fn frames(pages: u64) -> Frames {
    let frames = Frames::new(pages, Arc::new(AllowAll));
    frames.set_concurrent(false);
    frames
}

const ONE: Sharer = Sharer::new(0);
const ANON: FrameFlags = FrameFlags::ANON.union(FrameFlags::ANON_EXCLUSIVE);

#[test]
fn every_frame_of_ram_can_be_used_and_comes_back() {
    for ram in [1, 100, 512, 513, 1500] {
        let frames = frames(ram);
        let taken: Vec<Pfn> = (0..ram).map(|_| frames.alloc(ANON).unwrap()).collect();
        assert_eq!(frames.alloc(ANON), Err(NoMemory));
        assert_eq!(frames.used(), ram);
        let distinct: std::collections::BTreeSet<_> = taken.iter().collect();
        assert_eq!(distinct.len() as u64, ram);
        frames.check_invariants().unwrap();
        for pfn in taken {
            assert!(frames.put(pfn));
        }
        assert_eq!(frames.used(), 0);
        frames.check_invariants().unwrap();
    }
}

#[test]
fn a_block_is_whole_again_once_its_frames_are_free() {
    let frames = frames(1024);
    let taken: Vec<Pfn> = (0..513).map(|_| frames.alloc(ANON).unwrap()).collect();
    assert_eq!(frames.alloc_huge(ANON), Err(NoMemory));
    for pfn in &taken[..512] {
        frames.put(*pfn);
    }
    let head = frames.alloc_huge(ANON).unwrap();
    assert_eq!(head, head.huge_down());
    assert_eq!(frames.used(), 513);
    frames.check_invariants().unwrap();
    frames.put(head);
    frames.put(taken[512]);
    frames.check_invariants().unwrap();
}

#[test]
fn allocation_is_deterministic_under_random_use() {
    use rand::{Rng, SeedableRng, rngs::SmallRng};
    let run = |seed| {
        let frames = frames(4096);
        let mut random = SmallRng::seed_from_u64(seed);
        let mut held: Vec<Pfn> = Vec::new();
        let mut history = Vec::new();
        for step in 0..20_000 {
            let choice = random.random_range(0..100);
            let result = match choice {
                0..50 => frames.alloc(ANON),
                50..53 => frames.alloc_huge(ANON),
                _ if held.is_empty() => continue,
                _ => {
                    let pfn = held.swap_remove(random.random_range(0..held.len()));
                    assert!(frames.put(pfn));
                    continue;
                }
            };
            held.extend(result);
            history.push(result);
            if step % 1000 == 0 {
                frames.check_invariants().unwrap();
            }
        }
        history
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_gate_refuses_the_nth_allocation() {
    struct Nth(AtomicU32);
    impl AllocGate for Nth {
        fn allow(&self) -> bool {
            self.0.fetch_sub(1, Relaxed) != 1
        }
    }
    let frames = Frames::new(4096, Arc::new(Nth(AtomicU32::new(2))));
    assert!(frames.alloc(ANON).is_ok());
    assert_eq!(frames.alloc(ANON), Err(NoMemory));
    assert!(frames.alloc_huge(ANON).is_ok());
    frames.check_invariants().unwrap();
}

#[test]
fn fork_shares_a_page_and_takes_exclusivity() {
    for concurrent in [false, true] {
        let frames = frames(16);
        frames.set_concurrent(concurrent);
        let pfn = frames.alloc(ANON).unwrap();
        frames.map_page(pfn, ONE);
        frames.meta(pfn).set_tag(0x1234);
        assert_eq!(frames.dup_page(pfn, ONE) & ANON, ANON);
        assert_eq!(frames.dup_page(pfn, ONE) & ANON, FrameFlags::ANON);
        assert_eq!((frames.refs(pfn), frames.page_mapcount(pfn)), (3, 3));
        assert_eq!(frames.meta(pfn).tag(), 0x1234);
        for _ in 0..3 {
            frames.unmap_page(pfn, ONE);
            frames.put(pfn);
        }
        assert_eq!(frames.used(), 0);
    }
}

#[test]
fn pmd_and_pte_mappings_of_a_folio_count_separately() {
    let frames = frames(1024);
    let head = frames.alloc_huge(ANON).unwrap();
    frames.map_huge(head, ONE);
    frames.get(head);
    frames.map_huge(head, ONE);
    for i in [0, 3] {
        frames.map_page(head.add(i), ONE);
        frames.get(head.add(i));
    }
    let cases = [(0, 3), (1, 2), (2, 2), (3, 3), (511, 2)];
    for (i, maps) in cases {
        assert_eq!(frames.page_mapcount(head.add(i)), maps, "page {i}");
        assert_eq!(frames.folio_mapcount(head.add(i)), 4);
        assert_eq!(frames.refs(head.add(i)), 4);
    }
    frames.check_invariants().unwrap();
    assert_eq!(frames.unmap_huge(head, ONE), 1);
    assert_eq!(frames.unmap_huge(head, ONE), 0);
    assert_eq!(frames.page_mapcount(head), 1);
    assert_eq!(frames.folio_mapcount(head), 2);
}

#[test]
fn a_split_folio_keeps_maps_tags_and_frees_the_rest() {
    let frames = frames(1024);
    let head = frames.alloc_huge(ANON | FrameFlags::DIRTY).unwrap();
    for i in 0..HUGE_PAGES {
        frames.meta(head.add(i)).set_tag(i as u32 + 1);
    }
    for i in 0..256 {
        frames.map_page(head.add(i), ONE);
        frames.get(head);
    }
    frames.split_folio(head, 0);
    frames.check_invariants().unwrap();
    assert_eq!(frames.used(), 256);
    for i in 0..256 {
        let info = frames.meta(head.add(i)).info();
        let refs = if i == 0 { 2 } else { 1 };
        assert_eq!((info.refs, info.maps, info.tag), (refs, 1, i as u32 + 1));
        assert!(info.flags.contains(FrameFlags::ANON | FrameFlags::DIRTY));
        assert!(!frames.is_large(head.add(i)));
    }
}

#[test]
fn zero_pages_are_never_counted() {
    let frames = frames(1);
    for pfn in [
        Pfn::ZERO_PAGE,
        Pfn::HUGE_ZERO_PAGE,
        Pfn::HUGE_ZERO_PAGE.add(5),
    ] {
        frames.get(pfn);
        frames.map_page(pfn, ONE);
        frames.dup_page(pfn, ONE);
        frames.unmap_page(pfn, ONE);
        assert!(!frames.put(pfn));
        assert_eq!(frames.page_mapcount(pfn), 0);
    }
    assert_eq!(frames.used(), 0);
}

#[test]
fn a_terabyte_costs_nothing_before_it_is_used() {
    let frames = frames(1 << 28);
    let pfn = frames.alloc(ANON).unwrap();
    assert_eq!(pfn, Pfn::RAM_BASE);
    assert_eq!(
        frames.chunks.iter().filter(|c| c.get().is_some()).count(),
        1
    );
}

#[test]
fn counts_survive_threads() {
    let frames = Frames::new(1 << 12, Arc::new(AllowAll));
    let shared = frames.alloc(ANON).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    frames.dup_page(shared, ONE);
                    let own = frames.alloc(ANON).unwrap();
                    frames.put(own);
                    frames.unmap_page(shared, ONE);
                    frames.put(shared);
                }
            });
        }
    });
    assert_eq!((frames.refs(shared), frames.page_mapcount(shared)), (1, 0));
    assert_eq!(frames.used(), 1);
    frames.check_invariants().unwrap();
}

/// Mappings by address spaces 0 to 3 of a huge page, and whether it counts as shared afterwards:
/// `+0` and `-0` are single pages, `P0` and `p0` all of it by one entry, `S0` splits that entry.
#[track_caller]
fn shares(script: &str, shared: bool) {
    let frames = frames(1024);
    let head = frames.alloc_huge(ANON).unwrap();
    frames.get_many(head, 4096);
    for word in script.split_whitespace() {
        let by = Sharer::new(u32::from(word.as_bytes()[1] - b'0'));
        match word.as_bytes()[0] {
            b'+' => frames.map_page(head, by),
            b'-' => drop(frames.unmap_page(head, by)),
            b'P' => frames.map_huge(head, by),
            b'p' => drop(frames.unmap_huge(head, by)),
            _ => {
                frames.map_all_pages(head, by);
                frames.unmap_huge(head, by);
            }
        }
    }
    assert_eq!(frames.is_maybe_shared(head), shared, "{script}");
}

#[test]
fn a_folio_knows_two_that_map_it() {
    for (script, shared) in [
        ("", false),
        ("P0", false),
        ("+0 +0 +0", false),
        ("+0 +1", true),
        ("P0 P1 p0", false),
        ("P0 P1 S0 S1", true),
        ("+0 +0 +1 -1", false),
        ("+0 +0 +1 -0 -0", false),
        ("+0 +1 +1 +2 -0", true),
        ("+0 +1 +1 +2 -2", true),
        ("+0 +1 +1 +2 -2 -0", false),
        // The third is not counted, and so the last one may not be known as such.
        ("+0 +1 +2 +2 -0 -1", true),
        ("+0 +1 +2 +2 -0 -1 -2", false),
        ("+0 +1 +2 +2 -0 -1 +2", true),
        ("+0 +1 +2 +2 -0 +2 +2 -1", true),
    ] {
        shares(script, shared);
    }
}

#[test]
fn more_memory_than_there_are_numbers_for_is_what_there_are() {
    let frames = Frames::new(u64::MAX, Arc::new(AllowAll));
    assert_eq!(frames.ram(), Frames::MOST);
    let pfn = frames.alloc(FrameFlags::empty()).expect("a frame");
    frames.put(pfn);
}

#[test]
fn halving_a_folio_leaves_the_buddies_of_one_page() {
    for (at, parts) in [
        (0, vec![(0, 1), (1, 1), (2, 2), (4, 4), (8, 8)]),
        (5, vec![(0, 4), (4, 1), (5, 1), (6, 2), (8, 8)]),
        (15, vec![(0, 8), (8, 4), (12, 2), (14, 1), (15, 1)]),
    ] {
        let frames = frames(4096);
        let flags = FrameFlags::SHMEM | FrameFlags::SWAPBACKED | FrameFlags::DIRTY;
        let head = frames.alloc_huge(flags).unwrap();
        frames.get_many(head, 511);
        (0..512).for_each(|i| frames.meta(head.add(i)).set_tag(i as u32));
        frames.split_folio_around(head.add(16), 1);
        assert_eq!(frames.folio_pages(head), 16);
        frames.split_folio_around(head.add(at), 1);
        frames.check_invariants().unwrap();
        for (first, pages) in parts {
            let first = head.add(first);
            assert_eq!(frames.folio_pages(first), pages);
            assert_eq!(u64::from(frames.refs(first)), pages);
            assert!(frames.meta(first).has(flags));
            assert_eq!(frames.head(first.add(pages - 1)), first);
        }
        // Who maps the parts is counted whatever their size.
        for pfn in (0..512).map(|i| head.add(i)) {
            assert_eq!(u64::from(frames.meta(pfn).tag()), pfn.get() - head.get());
            frames.get(pfn);
            frames.map_page(pfn, ONE);
        }
        assert_eq!(
            u64::from(frames.folio_mapcount(head)),
            frames.folio_pages(head)
        );
        assert!(!frames.is_maybe_shared(head));
        frames.check_invariants().unwrap();
        for pfn in (0..512).map(|i| head.add(i)) {
            frames.unmap_page(pfn, ONE);
            frames.put(pfn);
            frames.put(pfn);
        }
        assert_eq!(frames.used(), 0);
        assert!(frames.alloc_huge(flags).is_ok(), "the block is whole again");
        frames.check_invariants().unwrap();
    }
}

#[test]
fn who_maps_a_small_large_folio_is_known() {
    let two = Sharer::new(1);
    for pages in [2, 4, 8] {
        let frames = frames(4096);
        let head = frames.alloc_huge(FrameFlags::SHMEM).unwrap();
        frames.get_many(head, 511);
        frames.split_folio_around(head, 1);
        let part = head.add(pages);
        assert_eq!(frames.folio_pages(part), pages);
        for by in [ONE, two] {
            frames.get(part);
            frames.map_page(part, by);
        }
        assert!(frames.is_maybe_shared(part));
        frames.unmap_page(part, ONE);
        frames.put(part);
        assert!(!frames.is_maybe_shared(part));
        assert_eq!(frames.folio_mapcount(part.add(1)), 1);
        frames.unmap_page(part, two);
        frames.put(part);
        frames.split_folio(part, 1);
        assert_eq!(frames.folio_pages(part.add(1)), 1);
        frames.check_invariants().unwrap();
    }
}
