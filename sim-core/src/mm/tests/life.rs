//! The life of a VMA: what each operation leaves attached, and what a copy takes along.

use crate::store::VmaId;
use crate::testing::{BASE, World};
use crate::{PAGE_SIZE, Profile, VirtAddr, Vma};

/// The ids of the VMAs that the store has, by every way of finding them; they agree.
#[track_caller]
fn found(world: &World) -> Vec<VmaId> {
    let readers = world.mm.readers();
    let all: Vec<_> = world.mm.iter().map(|(id, _)| id).collect();
    for page in 0..1100 {
        let addr = BASE.add_pages(page);
        let by_lookup = world.mm.vma_lookup(addr);
        let by_find = world.mm.find_vma(addr);
        let inside = by_find.filter(|&id| world.mm.vma(id).start() <= addr);
        assert_eq!(by_lookup, inside, "page {page}");
        assert!(by_lookup.is_none_or(|id| all.contains(&id)), "page {page}");
        let locked = readers.lock(addr).map(|vma| vma.range());
        let range = by_lookup.map(|id| world.mm.vma(id).range());
        assert_eq!(locked, range, "page {page}, without mmap_lock");
    }
    all
}

/// Whatever takes VMAs away: none of them is found any more, and using its number is noticed.
#[test]
fn a_detached_vma_is_never_found() {
    for (before, step) in [
        ("map 0..4 rw", "unmap 0..4"),
        ("map 0..2 rw; map 4..6 rw; map 8..9 rw", "unmap 0..9"),
        ("map 0..2 rw; map 4..6 rw; map 8..9 r", "map 0..9 r"),
        ("map 0..2 rw; map 4..6 rw", "map 2..4 rw"),
        ("map 0..2 rw; map 2..4 r", "protect 2..4 rw"),
        ("map 0..2 rw; map 2..4 r; map 4..6 rw", "protect 2..4 rw"),
        ("map 0..4 rw; write 0", "remap 0..4 4 maymove fixed to 10"),
        (
            "map 0..4 rw; map 10..12 r",
            "remap 0..4 4 maymove fixed to 9",
        ),
        ("brk 4", "brk 0"),
    ] {
        let mut world = World::new(Profile::V6_19);
        world.script(before);
        sim_sync::WriteSection::end_write(&mut world.mm);
        let was = found(&world);
        world.script(step);
        sim_sync::WriteSection::end_write(&mut world.mm);
        let is = found(&world);
        // A number may be used again at once.
        let mut lost = was.iter().filter(|id| !is.contains(id)).peekable();
        assert!(lost.peek().is_some(), "{before}; {step}");
        for id in lost {
            let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                world.mm.vma(*id).start()
            }));
            assert!(used.is_err(), "{before}; {step}: {id:?} is used");
        }
    }
}

/// What a copy of a VMA has of it.
#[track_caller]
fn assert_alike(copy: &Vma, of: &Vma, what: &str) {
    assert_eq!(copy.flags(), of.flags(), "{what}: flags");
    assert_eq!(copy.backing(), of.backing(), "{what}: backing");
    assert_eq!(copy.policy(), of.policy(), "{what}: policy");
    assert_eq!(copy.anon_name(), of.anon_name(), "{what}: name");
    assert_eq!(copy.hooks(), of.hooks(), "{what}: hooks");
}

#[test]
fn a_duplicate_has_everything() {
    let mut world = World::new(Profile::V6_19);
    world.script(
        "map 0..6 rw; write 0; fork; write 0; bind 0..6 1; name 0..6 x; register 0..6 missing; \
         advise 0..6 random",
    );
    let at = |world: &World, page| world.mm.vma_lookup(BASE.add_pages(page)).expect("mapped");
    let chain = |world: &World, page| -> Vec<_> {
        let vma = world.mm.vma(at(world, page));
        vma.chain().chain(vma.anon_vma()).collect()
    };
    let whole = chain(&world, 0);
    assert_eq!(whole.len(), 3, "two links and the own one");
    // Another advice: the middle becomes a VMA of its own, and so does the rest.
    world.script("advise 2..4 dontdump");
    for page in [0, 2, 4] {
        assert_eq!(chain(&world, page), whole, "page {page}");
        let (vma, first) = (world.mm.vma(at(&world, page)), world.mm.vma(at(&world, 0)));
        assert_eq!(vma.uffd(), first.uffd());
        let offset = vma.pgoff().get() - first.pgoff().get();
        assert_eq!(offset, page, "the offset moves along");
        if page != 2 {
            assert_alike(vma, first, "split");
        }
    }
    // A child's copies: the same but for the userfaultfd and an anon_vma of its own.
    let mut ops = crate::NoPages::default();
    let child = world.mm.fork(&mut ops).expect("memory");
    for (id, vma) in child.iter() {
        let parent = world.mm.vma_lookup(vma.start()).expect("as in the parent");
        let parent = world.mm.vma(parent);
        assert_eq!(vma.range(), parent.range(), "{id:?}");
        assert_eq!(vma.chain_len(), parent.chain_len() + 1, "{id:?}");
        assert_ne!(vma.anon_vma(), parent.anon_vma(), "{id:?}");
        assert_eq!(vma.policy(), parent.policy());
        assert_eq!(vma.anon_name(), parent.anon_name());
        assert_eq!(vma.uffd(), None);
    }
}

/// Storing a new VMA and changing an entry are different operations of a store: neither does the
/// other's work.
#[cfg(debug_assertions)]
#[test]
fn stores_refuse_the_other_operation() {
    use crate::store::{BTreeStore, MapleStore, RangeMapStore, VmaStore};
    fn refusals<S: VmaStore>() {
        fn pages(start: u64, end: u64) -> crate::PageRange {
            let page = |n| VirtAddr::new(n * PAGE_SIZE);
            crate::PageRange::new(page(start), page(end))
        }
        type Step<S> = fn(&mut S);
        let steps: [(&str, Step<S>); 9] = [
            ("insert over it", |s| s.insert(pages(4, 8), VmaId(9))),
            ("insert into it", |s| s.insert(pages(5, 6), VmaId(9))),
            ("insert over its start", |s| s.insert(pages(3, 5), VmaId(9))),
            ("insert over its end", |s| s.insert(pages(7, 9), VmaId(9))),
            ("insert nothing", |s| s.insert(pages(1, 1), VmaId(9))),
            ("remove what is not there", |s| {
                let _ = s.remove(pages(5, 6).start());
            }),
            ("resize what is not there", |s| {
                s.resize(pages(1, 2).start(), pages(1, 3));
            }),
            ("resize to nothing", |s| {
                s.resize(pages(4, 8).start(), pages(4, 4));
            }),
            ("resize over another one", |s| {
                s.resize(pages(4, 8).start(), pages(4, 11));
            }),
        ];
        for (what, step) in steps {
            let mut store = S::default();
            store.reserve(3).expect("memory");
            store.insert(pages(4, 8), VmaId(1));
            store.insert(pages(10, 12), VmaId(2));
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(&mut store)));
            assert!(done.is_err(), "{}: {what}", S::NAME);
        }
    }
    refusals::<MapleStore>();
    refusals::<BTreeStore>();
    refusals::<RangeMapStore>();
}

/// T-14 … T-18 of `tools/testing/radix-tree/maple.c`: where a range of a size fits in a window.
#[test]
fn gaps_are_found_in_windows() {
    use crate::store::{BTreeStore, MapleStore, RangeMapStore, VmaStore};
    fn check<S: VmaStore>() {
        let page = |n: u64| VirtAddr::new(n * PAGE_SIZE);
        let pages = |start, end| crate::PageRange::new(page(start), page(end));
        let mut store = S::default();
        store.reserve(20).expect("memory");
        for n in (10..210).step_by(10).filter(|&n| n != 160) {
            store.insert(pages(n, n + 10), VmaId(n as u32));
        }
        // The window's first and last page, the size, the place of the lowest and highest fit.
        for (first, last, size, lowest, highest) in [
            (0, 100, 9, Some(0), Some(1)),
            (0, 100, 4, Some(0), Some(6)),
            (0, 100, 11, None, None),
            (5, 100, 6, None, None),
            (0, 8, 10, None, None),
            (100, 163, 6, None, None),
            (5, 90, 10, None, None),
            (5, 90, 5, Some(5), Some(5)),
            (6, 90, 5, None, None),
            (5, 217, 9, Some(160), Some(161)),
            (100, 218, 3, Some(160), Some(216)),
            (100, 218, 16, None, None),
            (167, 200, 4, None, None),
            (100, 162, 4, None, None),
        ] {
            let window = pages(first, last + 1);
            let len = crate::Bytes::from_pages(size);
            let low = store.lowest_gap(window, len).map(crate::PageRange::start);
            let high = store.highest_gap(window, len).map(|gap| gap.end() - len);
            let what = format!("{} {first}..={last} {size}", S::NAME);
            assert_eq!(low, lowest.map(page), "{what}");
            assert_eq!(high, highest.map(page), "{what}");
        }
    }
    check::<MapleStore>();
    check::<BTreeStore>();
    check::<RangeMapStore>();
}
