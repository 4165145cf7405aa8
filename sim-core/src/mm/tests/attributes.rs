//! mseal, mbind, names and userfaultfd registration: the kernel's cases and what 6.18 was seen to
//! do.

use std::num::NonZeroU32;

use super::check;
use crate::testing::{World, range};
use crate::{Bytes, Errno, Policy, Profile, SyscallRange, Uffd, UffdCtxId, UffdMode, VirtAddr};

#[test]
fn mseal_cases() {
    for (case, script, layout) in [
        ("E-01", "map 0..4 r; seal 0..4; seal 0..4", "0..4 r sl"),
        (
            "E-02 start",
            "map 0..4 r; unmap 0..2; seal 0..4 = ENOMEM",
            "2..4 r",
        ),
        (
            "E-02 middle",
            "map 0..4 r; unmap 1..3; seal 0..4 = ENOMEM",
            "0..1 r | 3..4 r",
        ),
        (
            "E-02 end",
            "map 0..4 r; unmap 2..4; seal 0..4 = ENOMEM",
            "0..2 r",
        ),
        (
            "E-03",
            "map 0..4 r; protect 1..3 rw; seal 0..4",
            "0..1 r sl | 1..3 rw sl | 3..4 r sl",
        ),
        (
            "E-04",
            "map 0..4 r; protect 0..2 rw; seal 0..1; seal 1..4",
            "0..2 rw sl | 2..4 r sl",
        ),
        ("E-06", "map 0..4 r; seal 0..0; protect 0..4 rw", "0..4 rw"),
        (
            "E-08",
            "map 0..4 r; seal 1..4; protect 0..4 rw = EPERM",
            "0..1 rw | 1..4 r sl",
        ),
        (
            "E-10",
            "map 0..4 r; seal 1..3; protect 1..2 rw = EPERM; protect 2..3 rw = EPERM; \
                  protect 0..1 rw; protect 3..4 rw",
            "0..1 rw | 1..3 r sl | 3..4 rw",
        ),
        (
            "E-12",
            "map 0..2 r; seal 1..2; protect 0..2 x = EPERM",
            "0..1 x | 1..2 r sl",
        ),
        (
            "E-13",
            "map 0..4 r; unmap 1..3; seal 0..4 = ENOMEM; protect 0..1 rw",
            "0..1 rw | 3..4 r",
        ),
        (
            "E-15",
            "map 0..4 r; seal 0..4; unmap 0..4 = EPERM",
            "0..4 r sl",
        ),
        (
            "E-16",
            "map 0..4 r; unmap 1..3; seal 0..4 = ENOMEM; unmap 0..1; unmap 1..3; unmap 0..4",
            "",
        ),
        (
            "E-17",
            "map 0..2 r; seal 1..2; unmap 0..2 = EPERM",
            "0..1 r | 1..2 r sl",
        ),
        (
            "E-18",
            "map 0..4 r; unmap 0..1; seal 1..4; unmap 0..4 = EPERM",
            "1..4 r sl",
        ),
        (
            "E-22",
            "map 0..4 r; seal 0..4; map 0..4 rw = EPERM; map 0..8 rw = EPERM; map 0..2 rw = EPERM",
            "0..4 r sl",
        ),
        (
            "E-23",
            "map 0..24 r; protect 0..1 -; protect 23..24 -; seal 1..2; seal 22..23; seal 2..3; \
                  seal 21..22; seal 2..4; seal 20..22; seal 2..22",
            "0..1 - | 1..23 r sl | 23..24 -",
        ),
        (
            "E-27",
            "map 0..4 r; seal 0..4; advise 0..4 random; unmap 0..4 = EPERM",
            "0..4 r rr sl",
        ),
        ("L", "map 0..6 rw; seal 2..4; seal 0..6", "0..6 rw sl"),
        (
            "L",
            "map 0..6 rw; seal 0..1; seal 3..4; seal 1..6",
            "0..6 rw sl",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn mseal_checks_its_range() {
    let page = VirtAddr::new(0x1000_0000);
    for (addr, len, expected) in [
        (VirtAddr::new(page.get() + 1), 0x1000, Err(Errno::EINVAL)),
        (page, u64::MAX, Err(Errno::EINVAL)),
        (page, 0u64.wrapping_sub(0x1000), Err(Errno::EINVAL)),
        (page.add_pages(20), 0x1000, Err(Errno::ENOMEM)),
        (page.add_pages(20), 0, Ok(())),
        (page, 0x1001, Ok(())),
        (page, 0x4001, Err(Errno::ENOMEM)),
    ] {
        let mut world = World::new(Profile::V6_18Stable);
        world.script("map 0..4 rw");
        let range = SyscallRange::new(addr, Bytes::new(len));
        assert_eq!(
            world.mm.mseal(&mut world.pages, range),
            expected,
            "{range:?}"
        );
    }
}

#[test]
fn policies_are_attributes() {
    for (case, script, layout) in [
        (
            "split",
            "map 0..4 rw; bind 1..2 1",
            "0..1 rw | 1..2 rw | 2..4 rw",
        ),
        ("join", "map 0..4 rw; bind 0..1 1; bind 1..4 1", "0..4 rw"),
        ("back", "map 0..4 rw; bind 1..2 1; bind 0..4 0", "0..4 rw"),
        (
            "same nodes",
            "map 0..4 rw; bind 0..2 3; bind 2..4 1",
            "0..4 rw",
        ),
        (
            "shared",
            "map 0..4 rw shared; bind 1..2 1",
            "0..1 rws | 1..2 rws | 2..4 rws",
        ),
        (
            "hole",
            "map 0..2 rw; map 4..6 rw; bind 0..6 1 = EFAULT; bind 0..8 0; bind 2..5 0",
            "0..2 rw | 4..6 rw",
        ),
        ("nothing", "bind 0..2 0 = EFAULT; bind 0..2 1 = EFAULT", ""),
        ("no node", "map 0..2 rw; bind 0..2 2 = EINVAL", "0..2 rw"),
        ("empty", "bind 0..0 2", ""),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn policies_are_checked() {
    for (policy, expected) in [
        (Policy::Bind(0), Err(Errno::EINVAL)),
        (Policy::Bind(3), Ok(Some(Policy::Bind(1)))),
        (Policy::Preferred(0), Ok(Some(Policy::Local))),
        (Policy::Preferred(2), Err(Errno::EINVAL)),
        (Policy::Preferred(3), Ok(Some(Policy::Preferred(1)))),
        (Policy::Interleave(0), Err(Errno::EINVAL)),
        (Policy::Interleave(3), Ok(Some(Policy::Interleave(1)))),
        (Policy::PreferredMany(2), Err(Errno::EINVAL)),
        (Policy::PreferredMany(1), Ok(Some(Policy::PreferredMany(1)))),
        (Policy::Local, Ok(Some(Policy::Local))),
        (Policy::Default, Ok(None)),
    ] {
        let mut world = World::new(Profile::V6_18Stable);
        world.script("map 0..2 rw");
        let got = world.mm.mbind(&mut world.pages, range("0..2"), policy);
        let kept = world.mm.iter().next().expect("one VMA").1.policy();
        assert_eq!(got.map(|()| kept), expected, "{policy:?}");
    }
    let mut world = World::new(Profile::V6_18Stable);
    let page = VirtAddr::new(0x1000_0000);
    for (len, expected) in [(u64::MAX, Ok(())), (u64::MAX - 0xfff, Err(Errno::EINVAL))] {
        let range = SyscallRange::new(page, Bytes::new(len));
        let got = world.mm.mbind(&mut world.pages, range, Policy::Bind(1));
        assert_eq!(got, expected, "{len:#x}");
    }
}

#[test]
fn names_are_attributes() {
    for (case, script, layout) in [
        (
            "split",
            "map 0..4 rw; name 1..2 x",
            "0..1 rw | 1..2 rw | 2..4 rw",
        ),
        ("join", "map 0..4 rw; name 0..2 x; name 2..4 x", "0..4 rw"),
        (
            "differ",
            "map 0..4 rw; name 0..2 x; name 2..4 y",
            "0..2 rw | 2..4 rw",
        ),
        (
            "removed",
            "map 0..4 rw; name 1..2 x; name 0..4 -",
            "0..4 rw",
        ),
        ("shared", "map 0..4 rw shared; name 0..4 x", "0..4 rws"),
        ("memfd", "map 0..4 rw memfd; name 0..4 x", "0..4 rw"),
        ("file", "map 0..4 rw file; name 0..4 x = EBADF", "0..4 rw"),
        (
            "hole",
            "map 0..1 rw; map 2..3 rw; name 0..3 x = ENOMEM",
            "0..1 rw | 2..3 rw",
        ),
        (
            "bad",
            "map 0..1 rw; name 0..1 a$ = EINVAL; name 0..1 [x] = EINVAL",
            "0..1 rw",
        ),
    ] {
        check(case, script, layout);
    }
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..1 rw");
    for (len, expected) in [(79, Ok(())), (80, Err(Errno::EINVAL))] {
        let name = "n".repeat(len);
        let got = world
            .mm
            .set_vma_name(&mut world.pages, range("0..1"), Some(&name));
        assert_eq!(got, expected, "{len} bytes");
    }
}

#[test]
fn registration_splits_and_merges() {
    for (case, script, layout) in [
        (
            "over the end",
            "map 0..8 rw; register 6..16 missing",
            "0..6 rw | 6..8 rw um",
        ),
        (
            "changed",
            "map 0..8 rw; register 6..8 missing; register 6..7 wp",
            "0..6 rw | 6..7 rw uw | 7..8 rw um",
        ),
        (
            "join",
            "map 0..8 rw; register 2..4 missing; register 4..6 missing; unregister 0..8",
            "0..8 rw",
        ),
        (
            "foreign",
            "map 0..8 rw; register 6..8 missing; register 6..7 wp by 3 = EBUSY; \
                     unregister 0..8 by 2 = EINVAL",
            "0..6 rw | 6..8 rw um",
        ),
        (
            "unmapped",
            "map 0..8 rw; register 20..22 missing = EINVAL; unregister 20..22 = EINVAL",
            "0..8 rw",
        ),
        (
            "empty",
            "map 0..8 rw; register 2..2 missing = EINVAL",
            "0..8 rw",
        ),
        (
            "all or nothing",
            "map 0..4 rw; map 4..6 r file; map 6..8 rw; register 0..8 missing = EINVAL",
            "0..4 rw | 4..6 r | 6..8 rw",
        ),
        (
            "guard kept",
            "map 0..4 rw; register 0..4 missing; unregister 0..4",
            "0..4 rw",
        ),
    ] {
        check(case, script, layout);
    }
}

/// Which modes which memory can be registered for, as observed on 6.18: with a plain userfaultfd
/// and with an asynchronous one.
#[test]
fn modes_depend_on_the_memory() {
    let all = [UffdMode::MISSING, UffdMode::WP, UffdMode::MINOR];
    let (missing, wp, minor) = (all[0], all[1], all[2]);
    let anon = vec![missing, wp, missing | wp];
    let shmem = vec![
        missing,
        wp,
        minor,
        missing | wp,
        missing | minor,
        wp | minor,
        UffdMode::all(),
    ];
    for (mapping, plain, asynchronous) in [
        ("map 0..4 rw", &anon, &anon),
        ("map 0..4 -", &anon, &anon),
        ("map 0..4 rw shared", &shmem, &shmem),
        ("map 0..4 rw memfd", &shmem, &shmem),
        ("map 0..4 rw shared memfd", &shmem, &shmem),
        ("map 0..4 rw file", &vec![], &vec![wp]),
        ("map 0..4 rw shared file", &vec![], &vec![wp]),
        ("map 0..4 rw droppable", &vec![], &vec![]),
    ] {
        for (wp_async, allowed) in [(false, plain), (true, asynchronous)] {
            for bits in 0..8 {
                let mode = UffdMode::from_bits_truncate(bits);
                let mut world = World::new(Profile::V6_18Stable);
                world.script(mapping);
                let uffd = Uffd {
                    context: UffdCtxId(NonZeroU32::MIN),
                    wp_async,
                };
                let got = world
                    .mm
                    .uffd_register(&mut world.pages, uffd, range("1..3"), mode);
                let expected = if allowed.contains(&mode) {
                    Ok(())
                } else {
                    Err(Errno::EINVAL)
                };
                assert_eq!(got, expected, "{mapping}: {mode:?}, {wp_async}");
                world.mm.check_invariants();
            }
        }
    }
}
