//! Every failing allocation of the calls that change attributes, heaps and stacks.

use crate::testing::{BASE, World};
use crate::{Bytes, Errno, Limits, Profile, Setup};

/// Lets the first, second … allocation of `step` fail until none is left to fail. Each time it
/// succeeds all the same, or fails with `errno`, and what was charged fits what is mapped.
#[track_caller]
fn check(setup: &str, step: &str, errno: Errno) {
    for nth in 1.. {
        let mut world = World::new(Profile::V6_19);
        world.script(setup);
        let before = world.vmas();
        world.mm.fail_points().arm(nth);
        let result = world.step(step);
        let all_succeeded = world.mm.fail_points().is_armed();
        world.mm.fail_points().disarm();
        world.mm.check_invariants();
        if all_succeeded {
            assert_eq!(result, Ok(()), "{step}");
            assert!(nth > 1, "{step} allocates");
            return;
        }
        if result.is_err() {
            assert_eq!(result, Err(errno), "{setup}; {step}, failure {nth}");
        }
        let charged: u64 = world
            .mm
            .iter()
            .filter(|(_, vma)| vma.flags().contains(crate::VmFlags::ACCOUNT))
            .map(|(_, vma)| vma.pages())
            .sum();
        let committed = world.mm.commit().committed();
        assert_eq!(
            committed.cast_unsigned(),
            charged,
            "{step}, failure {nth}, was {before}"
        );
    }
}

#[test]
fn calls_fail_cleanly() {
    for (setup, step, errno) in [
        ("map 0..4 rw", "seal 1..2", Errno::ENOMEM),
        ("map 0..4 rw; seal 0..2", "seal 2..4", Errno::ENOMEM),
        ("map 0..4 rw; write 0", "bind 1..2 1", Errno::ENOMEM),
        ("map 0..4 rw; bind 0..2 1", "bind 1..3 0", Errno::ENOMEM),
        ("map 0..4 rw", "name 1..2 x", Errno::EAGAIN),
        ("map 0..4 rw", "advise 1..2 random", Errno::EAGAIN),
        (
            "map 0..4 rw; advise 0..2 random",
            "advise 2..4 random",
            Errno::EAGAIN,
        ),
        ("map 0..4 rw", "register 1..2 missing", Errno::ENOMEM),
        (
            "map 0..4 rw; register 0..4 missing",
            "unregister 1..2",
            Errno::ENOMEM,
        ),
        (
            "map 0..4 rw; register 1..2 missing",
            "unregister 0..4",
            Errno::ENOMEM,
        ),
        ("", "brk 4", Errno::ENOMEM),
        ("brk 2", "brk 4", Errno::ENOMEM),
        ("brk 4; protect 1003..1004 r", "brk 2", Errno::ENOMEM),
        ("map 0..4 rw", "remap 0..4 6", Errno::ENOMEM),
        (
            "map 0..2 rw; map 4..6 rw; write 4",
            "remap 0..2 4",
            Errno::ENOMEM,
        ),
        (
            "map 0..4 rw; write 0; bind 0..4 1",
            "remap 1..2 1 maymove fixed keep to 20",
            Errno::ENOMEM,
        ),
        (
            "map 0..2 rw; map 4..6 r",
            "remap 0..6 6 maymove fixed to 20",
            Errno::ENOMEM,
        ),
    ] {
        check(setup, step, errno);
    }
}

/// Unregistering a whole VMA needs no memory: without it, it does not merge.
#[test]
fn a_whole_vma_is_unregistered_without_memory() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..4 rw; register 1..2 missing");
    world.mm.fail_points().arm(1);
    assert_eq!(world.step("unregister 0..4"), Ok(()));
    world.mm.fail_points().disarm();
    assert_eq!(world.vmas(), "0..1 rw | 1..2 rw | 2..4 rw");
}

#[test]
fn a_stack_that_cannot_grow_stays() {
    let mut setup = Setup::new(Profile::V6_19);
    setup.limits = Limits {
        ram: Bytes::from_pages(100),
        swap: Bytes::new(0),
        ..Limits::default()
    };
    for nth in 0..4 {
        let mut world = World::with_setup(&setup);
        world.script("map 1000..1001 rw growsdown");
        world.mm.fail_points().arm(nth);
        let touch = if nth == 0 { 800 } else { 990 };
        let got = world
            .mm
            .expand_stack(&mut world.pages, BASE.add_pages(touch));
        let failed = !world.mm.fail_points().is_armed();
        world.mm.fail_points().disarm();
        world.mm.check_invariants();
        if failed {
            assert_eq!(got, Err(Errno::ENOMEM), "failure {nth}");
            assert_eq!(world.vmas(), "1000..1001 rw gd");
            assert_eq!(world.mm.commit().committed(), 1);
        } else {
            assert!(got.is_ok());
        }
    }
}
