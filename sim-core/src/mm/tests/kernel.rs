//! Cases of the kernel's own tests that are in no other file: `tools/testing/vma` (M, R, C),
//! `tools/testing/selftests/mm` (S: merge.c, E: mseal_test.c, L: mlock2-tests.c, X: mremap_test.c,
//! O: pfnmap.c). Which case is where: docs/kernel-tests.md.

use super::check;
use crate::testing::{BASE, World, page_range, range};
use crate::{
    Bytes, LockRange, MlockallFlags, NewPart, PageOffset, Profile, SyscallRange, VirtAddr, VmFlags,
};

/// M-02: a part gets other flags: splits only, the flags are the caller's. Its object is the part.
#[test]
fn m02_simple_modify() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("AAA", "");
    let id = world.id('A');
    let mut flags = world.mm.vma(id).flags() - VmFlags::WRITE;
    let part = page_range(1, 2);
    let got = world
        .mm
        .vma_modify_flags(&mut world.pages, id, part, &mut flags);
    assert_eq!(got, Ok(id));
    assert_eq!(world.layout(), "*A*");
    assert!(world.mm.vma(id).flags().contains(VmFlags::WRITE));
    for (_, vma) in world.mm.iter() {
        assert_eq!(vma.pgoff().get(), vma.start().page_number());
    }
}

/// M-03, M-04: growing in place, and trimming.
#[test]
fn m03_m04_expand_and_shrink() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("A", "");
    let id = world.id('A');
    let grown = world.mm.merge_extend(&mut world.pages, id, 2);
    assert_eq!(grown, Ok(Some(id)));
    assert_eq!(world.layout(), "AAA");
    let shrunk = world.mm.shrink_vma(&mut world.pages, id, page_range(0, 1));
    assert_eq!(shrunk, Ok(()));
    assert_eq!(world.layout(), "A");
    assert_eq!(world.mm.vma(id).pgoff().get(), BASE_PAGE);
}

/// The page number of a layout's first page.
const BASE_PAGE: u64 = BASE.page_number();

/// C-03 … C-08: sets of flags behave as sets, bit by bit.
#[test]
fn c03_to_c08_sets_of_flags() {
    let bit = |n: u32| VmFlags::from_bits_retain(1 << n);
    let mut word = 0u64;
    let mut flags = VmFlags::empty();
    for n in 0..64 {
        flags.insert(bit(n));
        word |= 1 << n;
        assert_eq!(flags.bits(), word, "bit {n} set");
        assert!(flags.contains(bit(n)) && flags.intersects(bit(n) | bit(0)));
        assert_eq!(flags.contains(bit(n) | bit(63)), n == 63, "all of, bit {n}");
    }
    let all = flags;
    for n in (0..64).rev() {
        let before = flags.bits().count_ones();
        flags.remove(bit(n));
        assert!(!flags.contains(bit(n)), "bit {n} cleared");
        assert_eq!(flags.bits().count_ones(), before - 1);
        assert_eq!((all - flags) & flags, VmFlags::empty(), "disjoint");
        assert_eq!((all - flags) | flags, all, "union");
        assert_eq!(all ^ flags, flags ^ all, "the difference is symmetric");
    }
    assert!(flags.is_empty());
    assert_eq!(all ^ all, VmFlags::empty());
    assert_eq!(all ^ VmFlags::empty(), all);
    // A VMA keeps what it is given.
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..1 rw");
    let id = world.mm.vma_lookup(BASE).expect("mapped");
    let kept = world.mm.vma(id).flags();
    world
        .mm
        .vm_flags_set(id, VmFlags::DONTDUMP | VmFlags::RAND_READ);
    world.mm.vm_flags_clear(id, VmFlags::RAND_READ);
    assert_eq!(world.mm.vma(id).flags(), kept | VmFlags::DONTDUMP);
}

#[test]
fn mappings() {
    for (case, script, layout) in [
        (
            "R-01",
            "map 300..303 rw; map 250..253 rw; map 303..306 rw; map 247..250 rw",
            "247..253 rw | 300..306 rw",
        ),
        (
            "R-02",
            "map 300..303 rw; map 306..309 rw; map 303..306 rw",
            "300..309 rw",
        ),
        (
            "R-03",
            "map 300..303 rw; map 306..309 rw; map 303..306 rwx",
            "300..303 rw | 303..306 rwx | 306..309 rw",
        ),
        ("S-09", "map 1..2 rw; map 2..3 rw", "1..3 rw"),
        (
            "S-11",
            "map 1..2 rw; map 2..3 rw; unmap 1..3; map 1..2 rw; map 2..3 rw",
            "1..3 rw",
        ),
    ] {
        check(case, script, layout);
    }
}

/// R-02's look-ups: every page of the hole that was filled has the VMA, nothing around it has.
#[test]
fn r02_every_byte_looks_up_to_it() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 300..303 rw; map 306..309 rw");
    let at = |page: u64, byte: u64| VirtAddr::new(BASE.add_pages(page).get() + byte);
    for (page, byte) in [(303, 0), (305, 0xfff)] {
        assert_eq!(world.mm.vma_lookup(at(page, byte)), None);
    }
    world.script("map 303..306 rw");
    let whole = world.mm.vma_lookup(at(300, 0)).expect("mapped");
    for page in 300..309 {
        assert_eq!(world.mm.vma_lookup(at(page, 0)), Some(whole));
        assert_eq!(world.mm.vma_lookup(at(page, 0xfff)), Some(whole));
    }
    for (page, byte) in [(299, 0xfff), (309, 0)] {
        assert_eq!(world.mm.vma_lookup(at(page, byte)), None);
    }
    let pgoff = world.mm.vma(whole).pgoff();
    assert_eq!(pgoff, PageOffset::new(at(300, 0).page_number()));
}

/// S-01 … S-07: an unfaulted VMA takes in a faulted one, unless that has a forked history.
#[test]
fn faulted_and_unfaulted_merge() {
    for (case, script, layout) in [
        (
            "S-01",
            "map 1..11 rw noreserve; protect 1..6 r; write 6; protect 6..11 r",
            "1..11 r nr",
        ),
        (
            "S-02",
            "map 1..11 rw noreserve; protect 6..11 r; write 1; protect 1..6 r",
            "1..11 r nr",
        ),
        (
            "S-03",
            "map 2..11 rw noreserve; protect 2..5 r; protect 8..11 r; write 5; protect 5..8 r",
            "2..11 r nr",
        ),
        (
            "S-04",
            "map 2..11 rw noreserve; protect 8..11 r; write 2; protect 2..5 r; protect 5..8 r",
            "2..11 r nr",
        ),
        (
            "S-05",
            "map 2..11 rw noreserve; protect 2..5 r; write 5; protect 8..11 r; protect 5..8 r",
            "2..11 r nr",
        ),
        (
            "S-06",
            "map 1..6 rw; write 1; fork; write 1; write 5; map 6..11 rw",
            "1..6 rw | 6..11 rw",
        ),
        (
            "S-07",
            "map 1..6 rw; write 1; fork; write 1; map 6..11 rwx; protect 1..6 rwx",
            "1..6 rwx | 6..11 rwx",
        ),
    ] {
        // Memory that was charged keeps that if it was faulted: not this.
        check(case, script, layout);
    }
}

#[test]
fn sealing() {
    for (case, script, layout) in [
        (
            "E-05 past the end",
            "map 0..4 r; seal 0..5 = ENOMEM",
            "0..4 r",
        ),
        (
            "E-05 before the start",
            "map 1..4 r; seal 0..4 = ENOMEM",
            "1..4 r",
        ),
        (
            "E-11",
            "map 0..4 r; seal 0..1; protect 0..2 rw = EPERM",
            "0..1 r sl | 1..4 r",
        ),
        (
            "E-14",
            "map 0..4 r; protect 0..1 rw; seal 0..4; protect 0..2 r = EPERM; protect 2..4 rw = EPERM",
            "0..1 rw sl | 1..4 r sl",
        ),
        (
            "E-14 half",
            "map 0..4 r; protect 0..1 rw; seal 0..2; protect 0..2 r = EPERM; protect 2..4 rw",
            "0..1 rw sl | 1..2 r sl | 2..4 rw",
        ),
        (
            "E-18 end",
            "map 0..4 r; unmap 3..4; seal 0..3; unmap 0..4 = EPERM",
            "0..3 r sl",
        ),
        (
            "E-18 middle",
            "map 0..4 r; unmap 1..3; seal 0..1; unmap 0..4 = EPERM",
            "0..1 r sl | 3..4 r",
        ),
    ] {
        check(case, script, layout);
    }
}

/// E-09: the length is rounded up to whole pages.
#[test]
fn e09_lengths_are_rounded_up() {
    for (bytes, layout) in [
        (2 * 0x1000 - 1, "0..2 r sl | 2..4 r"),
        (2 * 0x1000 + 1, "0..3 r sl | 3..4 r"),
    ] {
        let mut world = World::new(Profile::V6_19);
        world.script("map 0..4 r");
        let range = SyscallRange::new(BASE, Bytes::new(bytes));
        assert_eq!(world.mm.mseal(&mut world.pages, range), Ok(()));
        assert_eq!(world.vmas(), layout);
    }
}

/// L-05 … L-08: locking on fault splits and merges; droppable memory is never locked.
#[test]
fn locking() {
    let on_fault = |world: &mut World| {
        let locked = world
            .mm
            .mlock(&mut world.pages, range("0..3"), LockRange::OnFault);
        locked.map(drop).expect("within the limit");
    };
    let everything = |world: &mut World| {
        let flags = MlockallFlags::CURRENT | MlockallFlags::FUTURE | MlockallFlags::ONFAULT;
        world
            .mm
            .mlockall(&mut world.pages, flags)
            .expect("within the limit");
    };
    for case in ["L-05", "L-06"] {
        let mut world = World::new(Profile::V6_19);
        world.script("map 0..3 rw");
        if case == "L-05" {
            on_fault(&mut world);
        } else {
            everything(&mut world);
        }
        assert_eq!(world.mm.map_count(), 1, "{case}");
        let unlock = |world: &mut World, pages| {
            world
                .mm
                .munlock(&mut world.pages, range(pages))
                .expect("mapped");
            world.mm.check_invariants();
        };
        unlock(&mut world, "1..2");
        assert_eq!(world.mm.map_count(), 3, "{case}");
        unlock(&mut world, "0..3");
        assert_eq!(world.vmas(), "0..3 rw", "{case}");
    }
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..3 rw droppable; lock 0..3");
    let id = world.mm.vma_lookup(BASE).expect("mapped");
    assert!(!world.mm.vma(id).flags().contains(VmFlags::LOCKED), "L-07");
    let mut world = World::new(Profile::V6_19);
    everything(&mut world);
    world.script("map 0..3 rw droppable");
    let id = world.mm.vma_lookup(BASE).expect("mapped");
    assert!(!world.mm.vma(id).flags().contains(VmFlags::LOCKED), "L-08");
}

/// X-02, X-03: mremap wants whole pages.
#[test]
fn moves_are_aligned() {
    for (from, to) in [(0, 0x400), (0x400, 0)] {
        let mut world = World::new(Profile::V6_19);
        world.script("map 0..1 rw");
        let moved = crate::MremapArgs {
            addr: VirtAddr::new(BASE.get() + from),
            old_len: Bytes::from_pages(1),
            new_len: Bytes::from_pages(1),
            flags: crate::MremapFlags::MAYMOVE | crate::MremapFlags::FIXED,
            new_addr: VirtAddr::new(BASE.add_pages(8).get() + to),
        };
        let got = world.mm.mremap(&mut world.pages, &moved).map(drop);
        assert_eq!(got, Err(crate::Errno::EINVAL));
        assert_eq!(world.vmas(), "0..1 rw");
    }
}

/// O-12, O-13, O-14: a mapping of raw frames is split, moved and shrunk, and does not grow.
#[test]
fn raw_frames() {
    let world = || {
        let mut world = World::new(Profile::V6_19);
        world.lay_out("AAAA", "A:pf,io,de");
        world
    };
    let mut split = world();
    let id = split.id('A');
    let part = split
        .mm
        .split_vma(&mut split.pages, id, BASE.add_pages(2), NewPart::Above);
    assert!(part.is_ok());
    assert_eq!(split.layout(), "AA**");
    for (what, old, new, to, expected) in [
        ("grow", 4, 5, None, Err(crate::Errno::EFAULT)),
        ("shrink", 4, 2, None, Ok(())),
        ("move", 4, 4, Some(10), Ok(())),
    ] {
        let mut world = world();
        let mut flags = crate::MremapFlags::empty();
        if to.is_some() {
            flags |= crate::MremapFlags::MAYMOVE | crate::MremapFlags::FIXED;
        }
        let call = crate::MremapArgs {
            addr: BASE,
            old_len: Bytes::from_pages(old),
            new_len: Bytes::from_pages(new),
            flags,
            new_addr: BASE.add_pages(to.unwrap_or(0)),
        };
        let got = world.mm.mremap(&mut world.pages, &call).map(drop);
        assert_eq!(got, expected, "{what}");
        world.mm.check_invariants();
    }
}
