//! Where mappings go, heaps and stacks: what 6.18 was seen to do without address randomization.

use super::check;
use crate::testing::{BASE, World};
use crate::{
    Arch, AreaRequest, Backing, Bytes, Errno, FileId, FileRef, Limits, MapFlags, MappedKind,
    PMD_SIZE, PageOffset, PageRange, Profile, Setup, SyscallRange, VirtAddr, VmFlags,
};

/// The top of the searched area on `x86_64`.
const TOP: u64 = 0x7fff_f7ff_f000;

fn request(addr: u64, len: u64) -> AreaRequest {
    AreaRequest {
        addr: VirtAddr::new(addr),
        len: Bytes::new(len),
        pgoff: PageOffset::new(0),
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
        backing: Backing::Anon,
    }
}

fn of(kind: MappedKind) -> Backing {
    Backing::File(FileRef {
        id: FileId(0),
        kind,
    })
}

#[test]
fn without_a_hint_the_highest_gap_is_taken() {
    let world = World::new(Profile::V6_18Stable);
    let low = MapFlags::PRIVATE | MapFlags::LOW_32BIT;
    let high = MapFlags::PRIVATE | MapFlags::ABOVE4G;
    let base = request(0, 0x1000);
    for (what, request, expected) in [
        ("a page", base, Ok(TOP - 0x1000)),
        ("huge: aligned", request(0, PMD_SIZE), Ok(0x7fff_f7c0_0000)),
        (
            "huge and a page: not",
            request(0, PMD_SIZE + 0x1000),
            Ok(TOP - PMD_SIZE - 0x1000),
        ),
        (
            "a huge file",
            AreaRequest {
                backing: of(MappedKind::Regular),
                ..request(0, PMD_SIZE + 0x1000)
            },
            Ok(0x7fff_f7c0_0000),
        ),
        (
            "a huge file from its second page",
            AreaRequest {
                backing: of(MappedKind::Regular),
                pgoff: PageOffset::new(1),
                ..request(0, 4 * PMD_SIZE)
            },
            Ok(0x7fff_f760_1000),
        ),
        (
            "shared memory: not aligned",
            AreaRequest {
                backing: of(MappedKind::Memfd),
                ..request(0, PMD_SIZE)
            },
            Ok(TOP - PMD_SIZE),
        ),
        ("low", AreaRequest { flags: low, ..base }, Ok(0x4000_0000)),
        (
            "above 4G",
            AreaRequest {
                flags: high,
                ..base
            },
            Ok(TOP - 0x1000),
        ),
        (
            "everything",
            request(0, 0x7fff_ffff_f000),
            Err(Errno::ENOMEM),
        ),
        ("more", request(0, 0x8000_0000_0000), Err(Errno::ENOMEM)),
        (
            "more than fits below the stack",
            request(0, TOP),
            Err(Errno::ENOMEM),
        ),
    ] {
        let got = world.mm.get_unmapped_area(&request).map(VirtAddr::get);
        assert_eq!(got, expected, "{what}");
    }
}

#[test]
fn a_hint_is_taken_if_free() {
    let mut world = World::new(Profile::V6_18Stable);
    world.script("map 300..310 rw; map 1000..1001 rw growsdown; map 2000..2001 rw");
    let page = |n: u64| BASE.get() + n * 0x1000;
    let file = |addr: u64, pages: u64| AreaRequest {
        backing: of(MappedKind::Regular),
        ..request(addr, pages * 0x1000)
    };
    for (what, request, expected) in [
        ("free", request(page(0), 0x1000), page(0)),
        ("up to a mapping", request(page(299), 0x1000), page(299)),
        ("behind a mapping", request(page(310), 0x1000), page(310)),
        ("taken", request(page(305), 0x1000), TOP - 0x1000),
        ("into a mapping", request(page(299), 0x2000), TOP - 0x2000),
        (
            "in a stack's gap",
            request(page(1000 - 256), 0x1000),
            TOP - 0x1000,
        ),
        (
            "below it",
            request(page(1000 - 257), 0x1000),
            page(1000 - 257),
        ),
        ("beyond user space", request(1 << 60, 0x1000), TOP - 0x1000),
        (
            "over its end",
            request(0x7fff_ffff_e000, 0x2000),
            TOP - 0x2000,
        ),
        (
            "a huge file with room to spare",
            file(page(2001), 1024),
            page(2001),
        ),
        (
            "a huge file without",
            file(page(1488), 512),
            0x7fff_f7c0_0000,
        ),
    ] {
        let got = world.mm.get_unmapped_area(&request).map(VirtAddr::get);
        assert_eq!(got, Ok(expected), "{what}");
    }
}

/// arm64 has the generic search: no `MAP_32BIT`, and hints keep to `mmap_min_addr`.
#[test]
fn arm64_places_by_the_generic_rules() {
    const ARM_TOP: u64 = 0xffff_f800_0000;
    let mut setup = Setup::new(Profile::V6_19);
    setup.arch = Arch::Arm64;
    let mut world = World::with_setup(&setup);
    world.script("map 1000..1001 rw growsdown");
    let page = |n: u64| BASE.get() + n * 0x1000;
    let base = request(0, 0x1000);
    let low = MapFlags::PRIVATE | MapFlags::LOW_32BIT;
    for (what, request, expected) in [
        ("a page", base, Ok(ARM_TOP - 0x1000)),
        ("huge", request(0, PMD_SIZE), Ok(ARM_TOP - PMD_SIZE)),
        (
            "no low area",
            AreaRequest { flags: low, ..base },
            Ok(ARM_TOP - 0x1000),
        ),
        ("a low hint", request(0x1000, 0x1000), Ok(ARM_TOP - 0x1000)),
        (
            "a hint in a stack's gap",
            request(page(800), 0x1000),
            Ok(ARM_TOP - 0x1000),
        ),
        ("a hint", request(page(700), 0x1000), Ok(page(700))),
        ("everything", request(0, 1 << 48), Err(Errno::ENOMEM)),
    ] {
        let got = world.mm.get_unmapped_area(&request).map(VirtAddr::get);
        assert_eq!(got, expected, "{what}");
    }
}

#[test]
fn a_fixed_address_is_checked() {
    let world = World::new(Profile::V6_18Stable);
    let fixed = |addr, len| AreaRequest {
        flags: MapFlags::PRIVATE | MapFlags::FIXED,
        ..request(addr, len)
    };
    for (request, expected) in [
        (fixed(0x10000, 0x1000), Ok(0x10000)),
        (fixed(0xf000, 0x1000), Err(Errno::EPERM)),
        (fixed(0x10001, 0x1000), Err(Errno::EINVAL)),
        (fixed(0x7fff_ffff_e000, 0x1000), Ok(0x7fff_ffff_e000)),
        (fixed(0x7fff_ffff_e000, 0x2000), Err(Errno::ENOMEM)),
        (fixed(1 << 60, 0x1000), Err(Errno::ENOMEM)),
    ] {
        let got = world.mm.get_unmapped_area(&request).map(VirtAddr::get);
        assert_eq!(got, expected, "{request:?}");
    }
}

#[test]
fn noreplace_fails_where_something_is() {
    for (case, script, layout) in [
        ("N-01", "map 1..4 rw noreplace", "1..4 rw"),
        (
            "N-02",
            "map 1..4 rw noreplace; map 0..5 rw noreplace = EEXIST; \
             map 2..3 rw noreplace = EEXIST; map 3..5 rw noreplace = EEXIST; \
             map 0..2 rw noreplace = EEXIST",
            "1..4 rw",
        ),
        (
            "N-03",
            "map 1..4 rw noreplace; map 0..1 rw noreplace; map 4..5 rw noreplace; unmap 0..5",
            "",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn the_heap_grows_and_shrinks() {
    for (case, script, layout) in [
        ("grow", "brk 4", "1000..1004 rw"),
        ("twice", "brk 2; brk 4", "1000..1004 rw"),
        ("shrink", "brk 4; brk 1", "1000..1001 rw"),
        ("away", "brk 4; brk 0", ""),
        (
            "a page is kept free",
            "map 1008..1009 rw; brk 8 = ENOMEM; brk 7",
            "1000..1007 rw | 1008..1009 rw",
        ),
        (
            "the stack's gap too",
            "map 1300..1301 rw growsdown; brk 44 = ENOMEM; brk 43",
            "1000..1043 rw | 1300..1301 rw gd",
        ),
        (
            "nothing to shrink",
            "brk 4; unmap 1003..1004; brk 3 = ENOMEM; brk 2",
            "1000..1002 rw",
        ),
        (
            "a part is gone",
            "brk 4; unmap 1001..1002; brk 1",
            "1000..1001 rw",
        ),
        (
            "changed",
            "brk 5; protect 1002..1003 r; brk 1; brk 3",
            "1000..1003 rw",
        ),
        (
            "after another",
            "brk 2; protect 1001..1002 r; brk 3",
            "1000..1001 rw | 1001..1002 r | 1002..1003 rw",
        ),
        (
            "sealed: the split stays",
            "brk 4; seal 1002..1003; brk 1 = ENOMEM; brk 5",
            "1000..1001 rw | 1001..1002 rw | 1002..1003 rw sl | 1003..1005 rw",
        ),
        (
            "the right side never merges",
            "map 1005..1006 rw; brk 4",
            "1000..1004 rw | 1005..1006 rw",
        ),
        (
            "a child's heap",
            "brk 1; write 1000; fork; brk 2",
            "1000..1001 rw | 1001..1002 rw",
        ),
        ("the parent's", "brk 1; write 1000; brk 2", "1000..1002 rw"),
        (
            "mapped over its start",
            "brk 2; map 998..1001 rw; brk 4",
            "998..1004 rw",
        ),
        (
            "mapped below it",
            "map 998..1000 rw; brk 2; brk 3",
            "998..1000 rw | 1000..1003 rw",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn the_heap_has_a_limit() {
    let mut setup = Setup::new(Profile::V6_19);
    setup.limits.data = Some(Bytes::from_pages(3));
    World::with_setup(&setup).script("brk 4 = ENOMEM; brk 3; brk 2");
    World::with_setup(&setup).script("map 0..2 rw; brk 2 = ENOMEM; brk 1");
}

/// A stack at page 1000; `below` is mapped first, then page `touch` is touched.
fn grow(limits: Limits, below: &str, touch: u64) -> (Result<(), Errno>, String) {
    let mut setup = Setup::new(Profile::V6_18Stable);
    setup.limits = limits;
    let mut world = World::with_setup(&setup);
    world.script(below);
    world.script("map 1000..1001 rw growsdown");
    let addr = BASE.add_pages(touch);
    let got = world.mm.expand_stack(&mut world.pages, addr).map(drop);
    world.mm.check_invariants();
    (got, world.vmas())
}

#[test]
fn stacks_grow_to_the_page_touched() {
    for (below, touch, expected, layout) in [
        ("", 999, Ok(()), "999..1001 rw gd"),
        ("", 900, Ok(()), "900..1001 rw gd"),
        (
            "map 700..701 rw",
            957,
            Ok(()),
            "700..701 rw | 957..1001 rw gd",
        ),
        (
            "map 700..701 rw",
            956,
            Err(Errno::ENOMEM),
            "700..701 rw | 1000..1001 rw gd",
        ),
        (
            "map 700..701 -",
            800,
            Ok(()),
            "700..701 - | 800..1001 rw gd",
        ),
        (
            "map 700..701 rw growsdown",
            800,
            Ok(()),
            "700..701 rw gd | 800..1001 rw gd",
        ),
    ] {
        let got = grow(Limits::default(), below, touch);
        assert_eq!(got, (expected, layout.to_owned()), "{below}; {touch}");
    }
    let limited = |stack, touch| {
        let limits = Limits {
            stack: Some(Bytes::from_pages(stack)),
            ..Limits::default()
        };
        grow(limits, "", touch).0
    };
    assert_eq!(limited(64, 1001 - 64), Ok(()));
    assert_eq!(limited(64, 1001 - 65), Err(Errno::ENOMEM));
}

#[test]
fn only_stacks_grow() {
    let mut world = World::new(Profile::V6_18Stable);
    world.script("map 10..11 rw");
    for (page, expected) in [
        (9, Err(Errno::EFAULT)),
        (10, Ok(())),
        (11, Err(Errno::EFAULT)),
    ] {
        let addr = BASE.add_pages(page);
        let got = world.mm.expand_stack(&mut world.pages, addr).map(drop);
        assert_eq!(got, expected, "{page}");
    }
}

#[test]
fn exec_moves_its_stack_down() {
    for (shift, layout) in [(4, "16..24 rw gd"), (20, "0..8 rw gd")] {
        let mut world = World::new(Profile::V6_19);
        world.script("map 20..28 rw growsdown; write 20");
        let (id, vma) = world.mm.iter().next().expect("the stack");
        let pgoff = vma.pgoff();
        let moved = world
            .mm
            .relocate_vma_down(&mut world.pages, id, Bytes::from_pages(shift));
        assert_eq!(moved, Ok(()));
        assert_eq!(world.vmas(), layout);
        assert_eq!(world.mm.vma(id).pgoff(), pgoff);
        world.mm.check_invariants();
    }
    let mut world = World::new(Profile::V6_19);
    world.script("map 17..18 r; map 20..28 rw growsdown");
    let id = world.mm.vma_lookup(BASE.add_pages(20)).expect("the stack");
    let moved = world
        .mm
        .relocate_vma_down(&mut world.pages, id, Bytes::from_pages(4));
    assert_eq!(moved, Err(Errno::EFAULT));
}

#[test]
fn msync_and_mincore_check_their_range() {
    let mut world = World::new(Profile::V6_18Stable);
    world.script("map 0..2 rw; map 4..6 rw shared file");
    let at = |page: u64| BASE.get() + page * 0x1000;
    let end = 0x7fff_ffff_f000;
    for (addr, len, sync, core) in [
        (at(0), 0x2000, Ok(()), Ok(())),
        (at(0), 0x6000, Err(Errno::ENOMEM), Err(Errno::ENOMEM)),
        (at(4), 0x4000, Err(Errno::ENOMEM), Err(Errno::ENOMEM)),
        (at(0), 0, Ok(()), Ok(())),
        (at(20), 0, Ok(()), Ok(())),
        (at(0) + 1, 0, Err(Errno::EINVAL), Err(Errno::EINVAL)),
        (at(2), 0x2000, Err(Errno::ENOMEM), Err(Errno::ENOMEM)),
        (at(0), u64::MAX, Ok(()), Err(Errno::ENOMEM)),
        (
            at(0),
            0u64.wrapping_sub(0x1000),
            Err(Errno::ENOMEM),
            Err(Errno::ENOMEM),
        ),
        (end, 0, Ok(()), Ok(())),
        (end, 0x1000, Err(Errno::ENOMEM), Err(Errno::ENOMEM)),
        (1 << 62, 0, Ok(()), Err(Errno::ENOMEM)),
    ] {
        let range = SyscallRange::new(VirtAddr::new(addr), Bytes::new(len));
        let got = world.mm.msync(range, |_, _, _| Ok(()));
        assert_eq!(got, sync, "msync {range:?}");
        assert_eq!(world.mm.mincore(range), core, "mincore {range:?}");
    }
    let mut written = Vec::new();
    let whole = SyscallRange::new(BASE, Bytes::from_pages(6));
    let _ = world.mm.msync(whole, |_, vma, part| {
        assert!(vma.flags().contains(VmFlags::SHARED));
        written.push(part);
        Ok(())
    });
    assert_eq!(written, [PageRange::from_pages(BASE.add_pages(4), 2)]);
}
