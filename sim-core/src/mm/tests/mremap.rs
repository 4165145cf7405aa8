//! Cases of the kernel's own tests (X, D, S), and what the running kernel was seen to do (L).

use super::{check, check_on};
use crate::testing::World;
use crate::{Bytes, Errno, Limits, MremapArgs, MremapFlags, Profile, Setup, VirtAddr};

#[test]
fn moves_and_resizes() {
    for (case, script, layout) in [
        (
            "X-01",
            "map 0..1 rw; remap 0..1 1 maymove fixed to 0 = EINVAL",
            "0..1 rw",
        ),
        ("X-11", "map 0..3 rw; unmap 1..2; remap 0..1 2", "0..3 rw"),
        ("X-12", "map 0..3 rw; unmap 2..3; remap 1..2 2", "0..3 rw"),
        (
            "X-15",
            "map 0..1 rw; map 2..3 rw; map 4..7 rw; map 8..9 rw; write 0; write 2; write 4; \
             write 8; remap 0..11 11 maymove fixed to 20",
            "20..21 rw | 22..23 rw | 24..27 rw | 28..29 rw",
        ),
        (
            "X-16",
            "map 20..21 rw; map 22..23 rw; map 24..27 rw; write 20; write 22; write 24; \
             remap 20..31 11 maymove fixed to 31",
            "31..32 rw | 33..34 rw | 35..38 rw",
        ),
        (
            "X-17",
            "map 20..31 -; map 31..32 rw; map 33..34 rw; write 31; write 33; \
             remap 31..42 11 maymove fixed to 20",
            "20..21 rw | 21..22 - | 22..23 rw | 23..31 -",
        ),
        (
            "X-18",
            "map 0..1 rw; map 2..3 rw; write 0; write 2; \
             remap 0..3 3 maymove fixed keep to 20",
            "0..1 rw | 2..3 rw | 20..21 rw | 22..23 rw",
        ),
        (
            "X-19",
            "map 0..1 rw; map 2..3 rw; map 4..5 rw; map 6..7 rw; map 8..9 rw; remap 0..10 1",
            "0..1 rw",
        ),
        (
            "X-20",
            "map 0..1 rw; map 2..3 rw; map 4..5 rw; remap 0..10 1 maymove fixed to 20",
            "20..21 rw",
        ),
        (
            "X-21",
            "map 0..5 rw; map 6..10 rw; write 0; write 6; remap 2..9 7 maymove fixed to 20",
            "0..2 rw | 9..10 rw | 20..23 rw | 24..27 rw",
        ),
        (
            "X-21 keep",
            "map 0..5 rw; map 6..10 rw; write 0; write 6; remap 2..9 7 maymove fixed keep to 20",
            "0..5 rw | 6..10 rw | 20..23 rw | 24..27 rw",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn the_running_kernel_moves_and_resizes_so() {
    for (case, script, layout) in [
        ("L", "map 0..4 rw; remap 0..8 4", "0..4 rw"),
        ("L", "map 0..4 rw; remap 0..8 8", "0..4 rw"),
        (
            "L",
            "map 0..4 rw; remap 0..8 8 maymove fixed to 20",
            "20..24 rw",
        ),
        ("L", "map 0..4 rw; remap 0..8 9 maymove = EFAULT", "0..4 rw"),
        (
            "L",
            "map 0..4 rw; remap 0..6 2 maymove fixed to 20",
            "20..22 rw",
        ),
        (
            "L",
            "map 0..4 rw; remap 0..6 5 maymove fixed to 20 = EFAULT",
            "0..4 rw",
        ),
        (
            "L",
            "map 0..4 rw; map 4..8 r; remap 0..8 5 maymove fixed to 20 = EFAULT",
            "0..4 rw | 4..8 r",
        ),
        (
            "L",
            "map 0..4 rw; map 4..8 r; remap 0..8 2 maymove fixed to 20",
            "20..22 rw",
        ),
        (
            "L",
            "map 0..4 rw; map 4..8 r; remap 2..4 3 = ENOMEM; remap 0..2 3 = ENOMEM; \
             remap 0..2 3 maymove fixed to 20",
            "2..4 rw | 4..8 r | 20..23 rw",
        ),
        (
            "L: a part moves next to the rest, untouched",
            "map 0..4 rw; remap 0..2 2 maymove fixed to 4",
            "2..6 rw",
        ),
        (
            "L: and is kept",
            "map 0..4 rw; remap 1..3 2 maymove fixed keep to 4",
            "0..6 rw",
        ),
        (
            "L: length 0 maps shared memory once more, splitting nothing",
            "map 0..4 rw shared; remap 1..1 2 maymove fixed to 20; \
             remap 1..1 8 maymove fixed to 30",
            "0..4 rws | 20..22 rws | 30..38 rws",
        ),
        (
            "L: locked and kept",
            "map 0..4 rw; write 0; lock 0..4; remap 1..3 2 maymove fixed keep to 10",
            "0..4 rw | 10..12 rw lo",
        ),
        (
            "L: the destination is replaced",
            "map 0..4 rw; map 4..8 r; map 20..28 r; remap 0..4 4 maymove fixed to 22; \
             remap 4..8 4 maymove fixed to 24",
            "20..22 r | 22..24 rw | 24..28 r",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn sealed_memory_stays() {
    for (case, script, layout) in [
        (
            "E-19",
            "map 0..4 r; seal 0..4; remap 0..4 2 = EPERM",
            "0..4 r sl",
        ),
        (
            "E-19",
            "map 0..2 r; seal 0..2; remap 0..2 4 maymove = EPERM",
            "0..2 r sl",
        ),
        (
            "E-19",
            "map 0..4 r; seal 0..4; remap 0..4 4 maymove fixed to 10 = EPERM",
            "0..4 r sl",
        ),
        (
            "E-20",
            "map 0..4 r; map 10..14 r; seal 0..4; remap 0..4 2 maymove fixed to 10 = EPERM",
            "0..4 r sl | 10..14 r",
        ),
        (
            "E-20",
            "map 0..2 r; map 10..14 r; seal 10..14; remap 0..2 4 maymove fixed to 10 = EPERM",
            "0..2 r | 10..14 r sl",
        ),
        (
            "E-21",
            "map 0..4 r; seal 0..4; remap 0..4 4 maymove keep = EPERM; \
             remap 0..4 4 maymove keep to 20 = EPERM",
            "0..4 r sl",
        ),
        (
            "L: VMAs before the sealed one have moved",
            "map 0..4 rw; seal 1..2; remap 0..4 4 maymove fixed to 20 = EPERM",
            "1..2 rw sl | 2..4 rw | 20..21 rw",
        ),
        (
            "L: a shrink unmaps what is behind the seal",
            "map 0..4 rw; seal 1..2; remap 1..2 1 = EPERM; remap 0..4 2",
            "0..1 rw | 1..2 rw sl",
        ),
    ] {
        check(case, script, layout);
    }
}

#[test]
fn vmas_with_userfaultfd_move_alone() {
    let even = "map 0..1 rw; map 2..3 rw; map 4..5 rw; map 6..7 rw; map 8..9 rw;";
    for (case, script, layout) in [
        (
            "X-22",
            "register 0..9 missing; remap 0..10 10 maymove fixed to 20 = EFAULT",
            "0..1 rw um | 2..3 rw um | 4..5 rw um | 6..7 rw um | 8..9 rw um",
        ),
        (
            "X-23: and lose their registration, as there are no remap events",
            "register 0..9 missing; remap 0..1 1 maymove fixed to 20",
            "2..3 rw um | 4..5 rw um | 6..7 rw um | 8..9 rw um | 20..21 rw",
        ),
        (
            "X-24",
            "register 2..9 missing; remap 0..10 10 maymove fixed to 20 = EFAULT",
            "2..3 rw um | 4..5 rw um | 6..7 rw um | 8..9 rw um | 20..21 rw",
        ),
        (
            "X-25",
            "register 8..9 missing; remap 0..10 10 maymove fixed to 20 = EFAULT",
            "8..9 rw um | 20..21 rw | 22..23 rw | 24..25 rw | 26..27 rw",
        ),
    ] {
        check(case, &format!("{even} {script}"), layout);
    }
}

#[test]
fn moved_vmas_merge_where_offsets_line_up() {
    let to = "maymove fixed to";
    for (case, script, layout) in [
        (
            "S-12",
            format!(
                "map 1..6 rw; map 7..12 rw; remap 7..12 5 {to} 900; write 1; \
                     remap 900..905 5 {to} 6"
            ),
            "1..11 rw",
        ),
        (
            "S-13",
            format!(
                "map 6..11 rw; map 14..19 rw; remap 14..19 5 {to} 900; write 6; \
                     remap 900..905 5 {to} 1"
            ),
            "1..11 rw",
        ),
        (
            "S-14",
            format!(
                "map 1..6 rw; map 7..12 rw; map 14..19 rw; remap 14..19 5 {to} 900; \
                     remap 7..12 5 {to} 800; write 1; write 900; remap 900..905 5 {to} 11; \
                     remap 800..805 5 {to} 6"
            ),
            "1..11 rw | 11..16 rw",
        ),
        (
            "S-15",
            format!(
                "map 1..6 rw; map 7..12 rw; map 14..19 rw; remap 14..19 5 {to} 900; \
                     remap 7..12 5 {to} 800; write 1; remap 900..905 5 {to} 11; \
                     remap 800..805 5 {to} 6"
            ),
            "1..16 rw",
        ),
        (
            "S-16",
            format!("map 1..16 rw; write 1; unmap 6..11; map 20..25 rw; remap 20..25 5 {to} 6"),
            "1..16 rw",
        ),
        (
            "S-17",
            format!(
                "map 1..16 rw; write 1; remap 11..16 5 {to} 900; remap 6..11 5 {to} 800; \
                     remap 800..805 5 {to} 6"
            ),
            "1..11 rw | 900..905 rw",
        ),
        (
            "S-18",
            format!("map 1..11 rw; write 1; remap 1..6 5 {to} 800; remap 800..805 5 {to} 1"),
            "1..11 rw",
        ),
        (
            "S-19, S-20",
            format!(
                "map 1..16 rw; write 1; remap 11..16 5 {to} 900; remap 1..6 5 {to} 800; \
                     remap 900..905 5 {to} 11; remap 800..805 5 {to} 1"
            ),
            "1..16 rw",
        ),
        (
            "S-21",
            format!(
                "map 1..16 rw; write 1; remap 6..11 5 {to} 800; remap 800..805 5 {to} 6; \
                     remap 11..16 5 {to} 800; remap 800..805 5 {to} 11"
            ),
            "1..16 rw",
        ),
    ] {
        check(case, &script, layout);
    }
}

/// S-22 to S-29: an untouched VMA takes in a written one that is moved and kept; a child of fork
/// has more than its own anon_vma in the chain and so does not.
#[test]
fn unfaulted_vmas_take_in_moved_ones_unless_forked() {
    let keep = "maymove fixed keep to";
    for (case, before, after, alone, forked) in [
        (
            "S-22, S-23",
            "map 4..7 rw; write 4; remap 4..7 3 maymove fixed to 20; map 1..4 rw",
            format!("remap 20..23 3 {keep} 4"),
            "1..7 rw | 20..23 rw",
            "1..4 rw | 4..7 rw | 20..23 rw",
        ),
        (
            "S-24, S-25",
            "map 1..4 rw; write 1; remap 1..4 3 maymove fixed to 20; map 4..7 rw",
            format!("remap 20..23 3 {keep} 1"),
            "1..7 rw | 20..23 rw",
            "1..4 rw | 4..7 rw | 20..23 rw",
        ),
        (
            "S-26, S-27",
            "map 4..7 rw; write 4; remap 4..7 3 maymove fixed to 20; map 1..4 rw; map 7..10 rw",
            format!("remap 20..23 3 {keep} 4"),
            "1..10 rw | 20..23 rw",
            "1..4 rw | 4..7 rw | 7..10 rw | 20..23 rw",
        ),
        (
            "S-28, S-29",
            "map 4..10 rw; write 4; remap 4..7 3 maymove fixed to 20; map 1..4 rw",
            format!("remap 20..23 3 {keep} 4"),
            "1..10 rw | 20..23 rw",
            "1..4 rw | 4..10 rw | 20..23 rw",
        ),
    ] {
        check(case, &format!("{before}; {after}"), alone);
        // The fork follows the write.
        let before = before.replace("; remap", "; fork; remap");
        check(case, &format!("{before}; {after}"), forked);
    }
}

#[test]
fn a_kernel_without_multi_vma_moves_refuses_them() {
    let two = "map 0..1 rw; map 2..3 rw; remap 0..3 3 maymove fixed to 20";
    check_on(
        Profile::V6_16,
        "6.16",
        &format!("{two} = EFAULT"),
        "0..1 rw | 2..3 rw",
    );
    check_on(Profile::V6_17, "6.17", two, "20..21 rw | 22..23 rw");
    // Up to 6.16 the destination is gone before the source is looked at.
    check_on(
        Profile::V6_16,
        "6.16",
        "map 0..1 rw; map 20..30 rw; remap 0..3 3 maymove fixed to 22 = EFAULT",
        "0..1 rw | 20..22 rw | 25..30 rw",
    );
}

const MAY: u32 = 1;
const FIXED: u32 = 2;
const KEEP: u32 = 4;

/// Raw arguments and their errno, as observed on 6.18; two pages are mapped at 0x10000000.
#[test]
fn arguments_are_checked_in_linux_order() {
    const OLD: u64 = 0x1000_0000;
    const FREE: u64 = 0x2000_0000;
    for (addr, old, new, flags, to, expected) in [
        (OLD, 0x1000, 0x1000, 8, 0, Err(Errno::EINVAL)),
        (OLD + 1, 0x1000, 0x1000, 0, 0, Err(Errno::EINVAL)),
        (OLD, 0x1000, 0, 0, 0, Err(Errno::EINVAL)),
        (OLD, 0x1000, 1 << 47, 0, 0, Err(Errno::EINVAL)),
        (OLD, 0x1000, u64::MAX, 0, 0, Err(Errno::EINVAL)),
        (OLD, 0x1000, 0x1000, FIXED, FREE, Err(Errno::EINVAL)),
        (
            OLD,
            0x1000,
            0x2000,
            MAY | FIXED | KEEP,
            FREE,
            Err(Errno::EINVAL),
        ),
        (
            OLD,
            0x2000,
            0x2000,
            MAY | FIXED,
            OLD + 0x1000,
            Err(Errno::EINVAL),
        ),
        (
            OLD,
            0x1000,
            0x1000,
            MAY | FIXED,
            FREE + 1,
            Err(Errno::EINVAL),
        ),
        (
            OLD,
            0x1000,
            0x1000,
            MAY | FIXED,
            1 << 47,
            Err(Errno::EINVAL),
        ),
        (OLD, 0, 0x1000, MAY, 0, Err(Errno::EINVAL)),
        (OLD, 0, 0x1000, MAY | FIXED, FREE, Err(Errno::EINVAL)),
        (FREE, 0x1000, 0x1000, 0, 0, Err(Errno::EFAULT)),
        (FREE, 0, 0x1000, MAY, 0, Err(Errno::EFAULT)),
        (FREE, 0x1000, 0x1000, MAY | FIXED, OLD, Err(Errno::EFAULT)),
        (OLD, 0x3000, 0x4000, MAY, 0, Err(Errno::EFAULT)),
        (OLD, 0x1000, 0x2000, 0, 0, Err(Errno::ENOMEM)),
        (OLD, 0x1800, 0x1001, 0, 0, Ok(OLD)),
        (OLD, 0x1000, 0x1000, MAY | FIXED, FREE, Ok(FREE)),
    ] {
        let mut world = World::new(Profile::V6_18Stable);
        world.script("map 0..2 rw");
        let args = MremapArgs {
            addr: VirtAddr::new(addr),
            old_len: Bytes::new(old),
            new_len: Bytes::new(new),
            flags: MremapFlags::from_bits_retain(flags),
            new_addr: VirtAddr::new(to),
        };
        let got = world.mm.mremap(&mut world.pages, &args);
        assert_eq!(got.map(|mapped| mapped.addr.get()), expected, "{args:?}");
    }
}

#[test]
fn limits_bind() {
    let run = |limits: Limits, script: &str| {
        let mut setup = Setup::new(Profile::V6_19);
        setup.limits = limits;
        World::with_setup(&setup).script(script);
    };
    let address_space = Limits {
        address_space: Some(Bytes::from_pages(4)),
        ..Limits::default()
    };
    run(
        address_space.clone(),
        "map 0..3 rw; remap 0..3 4; remap 0..4 5 = ENOMEM",
    );
    run(
        address_space,
        "map 0..3 rw; remap 0..3 3 maymove fixed to 9; \
         remap 9..12 3 maymove keep = ENOMEM",
    );
    let locked = Limits {
        memlock: Some(Bytes::from_pages(4)),
        ..Limits::default()
    };
    run(locked, "map 0..4 rw; lock 0..4; remap 0..4 5 = EAGAIN");
    let few = |max_map_count| Limits {
        max_map_count,
        ..Limits::default()
    };
    run(few(7), "map 0..1 rw; remap 0..1 1 maymove fixed to 9");
    run(
        few(6),
        "map 0..1 rw; remap 0..1 1 maymove fixed to 9 = ENOMEM",
    );
    run(
        few(5),
        "map 0..1 rw; map 1..2 r; remap 0..1 2 maymove = ENOMEM",
    );
    run(few(6), "map 0..1 rw; map 1..2 r; remap 0..1 2 maymove");
}

/// Every failing allocation of a move leaves the source as it was, or everything moved.
#[test]
fn failed_allocations_leave_the_source() {
    let before = "map 0..4 rw; write 0; map 10..12 r";
    for nth in 1..12 {
        let mut world = World::new(Profile::V6_19);
        world.script(before);
        let (layout, committed) = (world.vmas(), world.mm.commit().committed());
        world.mm.fail_points().arm(nth);
        let args = MremapArgs {
            addr: crate::testing::BASE,
            old_len: Bytes::from_pages(4),
            new_len: Bytes::from_pages(6),
            flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
            new_addr: crate::testing::BASE.add_pages(20),
        };
        let got = world.mm.mremap(&mut world.pages, &args);
        world.mm.fail_points().disarm();
        world.mm.check_invariants();
        match got {
            Ok(_) => assert_eq!(world.vmas(), "10..12 r | 20..26 rw", "failure {nth}"),
            Err(errno) => {
                assert_eq!(errno, Errno::ENOMEM, "failure {nth}");
                assert_eq!(world.vmas(), layout, "failure {nth}");
                assert_eq!(world.mm.commit().committed(), committed, "failure {nth}");
            }
        }
    }
}

#[test]
fn what_a_moved_source_loses_is_charged_too() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 4..6 rw");
    let at = |page| crate::testing::BASE.add_pages(page);
    let args = MremapArgs {
        addr: at(4),
        old_len: Bytes(1 << 45),
        new_len: Bytes::from_pages(1),
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
        new_addr: at(0),
    };
    let result = world.mm.mremap(&mut world.pages, &args);
    assert_eq!(result.map(|mapped| mapped.addr), Err(Errno::ENOMEM));
    assert_eq!(world.vmas(), "4..5 rw", "it was made shorter before");
    world.check();
}
