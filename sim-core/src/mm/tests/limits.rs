//! Limits.

use crate::testing::World;
use crate::{Bytes, Limits, PAGE_SIZE, Profile, Setup};

#[track_caller]
fn check(change: impl FnOnce(&mut Limits), script: &str, after: &str) {
    let mut setup = Setup::new(Profile::V6_19);
    change(&mut setup.limits);
    let mut world = World::with_setup(&setup);
    world.script(script);
    assert_eq!(world.vmas(), after, "{script}");
}

fn pages(count: u64) -> Bytes {
    Bytes(count * PAGE_SIZE)
}

#[test]
fn map_count() {
    let three = |limits: &mut Limits| limits.max_map_count = 3;
    // mmap may exceed the limit by one; nothing may then be mapped, not even to merge.
    let full = "map 0..1 rw; map 2..3 rw; map 4..5 rw; map 6..7 rw; map 8..9 rw = ENOMEM";
    check(three, full, "0..1 rw | 2..3 rw | 4..5 rw | 6..7 rw");
    check(
        three,
        &format!("{full}; map 7..8 rw = ENOMEM"),
        "0..1 rw | 2..3 rw | 4..5 rw | 6..7 rw",
    );
    // Splits stop at the limit; cutting off an end is no split.
    let at = "map 0..6 rw; map 7..8 rw; map 9..10 rw";
    check(
        three,
        &format!("{at}; protect 0..2 r = ENOMEM"),
        "0..6 rw | 7..8 rw | 9..10 rw",
    );
    check(
        three,
        &format!("{at}; unmap 2..4 = ENOMEM"),
        "0..6 rw | 7..8 rw | 9..10 rw",
    );
    check(
        three,
        &format!("{at}; unmap 4..6; unmap 0..1"),
        "1..4 rw | 7..8 rw | 9..10 rw",
    );
    // The split below succeeds, the one above does not; it stays.
    let four = |limits: &mut Limits| limits.max_map_count = 4;
    check(
        four,
        &format!("{at}; protect 2..4 r = ENOMEM"),
        "0..2 rw | 2..6 rw | 7..8 rw | 9..10 rw",
    );
    // Replacing within one VMA makes a hole first.
    check(
        three,
        &format!("{at}; map 2..4 r = ENOMEM"),
        "0..6 rw | 7..8 rw | 9..10 rw",
    );
}

#[test]
fn address_space_and_data() {
    let space = |limits: &mut Limits| limits.address_space = Some(pages(4));
    check(
        space,
        "map 0..4 r; map 5..6 r = ENOMEM; map 2..4 rw",
        "0..2 r | 2..4 rw",
    );
    // The split that made room stays.
    check(space, "map 0..4 r; map 3..6 r = ENOMEM", "0..3 r | 3..4 r");
    let data = |limits: &mut Limits| limits.data = Some(pages(2));
    check(
        data,
        "map 0..4 r; map 4..6 rw; protect 0..1 rw = ENOMEM",
        "0..4 r | 4..6 rw",
    );
    check(
        data,
        "map 0..2 rw; map 2..3 rw = ENOMEM; map 2..3 rw shared",
        "0..2 rw | 2..3 rws",
    );
    // Less than a page is no page, but 0 is no limit.
    let little = |limits: &mut Limits| limits.data = Some(Bytes(100));
    check(little, "map 0..2 rw = ENOMEM; map 0..2 r", "0..2 r");
    let zero = |limits: &mut Limits| limits.data = Some(Bytes(0));
    check(zero, "map 0..2 rw; map 2..4 r", "0..2 rw | 2..4 r");
}

#[test]
fn memlock() {
    let two = |limits: &mut Limits| limits.memlock = Some(pages(2));
    check(
        two,
        "map 0..4 rw; lock 0..3 = ENOMEM; lock 0..2; lock 1..3 = ENOMEM; lock 0..2",
        "0..2 rw lo | 2..4 rw",
    );
    check(
        two,
        "map 0..3 rw locked = EAGAIN; map 0..2 rw locked; map 2..3 r",
        "0..2 rw lo | 2..3 r",
    );
    let none = |limits: &mut Limits| limits.memlock = Some(Bytes(0));
    check(
        none,
        "map 0..1 rw; lock 0..1 = EPERM; map 1..2 rw locked = EPERM",
        "0..1 rw",
    );
    let privileged = |limits: &mut Limits| {
        limits.memlock = Some(Bytes(0));
        limits.privileged = true;
    };
    check(privileged, "map 0..4 rw; lock 0..4", "0..4 rw lo");
}

#[test]
fn commit() {
    let small = |limits: &mut Limits| {
        limits.ram = pages(3);
        limits.swap = pages(1);
    };
    check(
        small,
        "map 0..5 rw = ENOMEM; map 0..5 rw noreserve",
        "0..5 rw nr",
    );
    check(
        small,
        "map 0..5 r; protect 0..5 rw = ENOMEM; protect 0..4 rw",
        "0..4 rw | 4..5 r",
    );
}

#[test]
fn mlock_counts() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..6 rw; lock 0..4; lock 2..6; unlock 3..4; unlock 3..4");
    assert_eq!(world.mm.counters().locked_vm, 5);
    world.script("unmap 0..2; remap 4..6 2 maymove fixed keep to 10");
    // Linux does not count the source off.
    assert_eq!(world.mm.counters().locked_vm, 5);
    assert_eq!(world.mm.counters().stray_locked, 2);
}

/// Every refusal for the limit is recorded with its reason.
#[test]
fn map_count_refusals_are_recorded() {
    use crate::{Event, Refusal};
    let rows = [
        ("protect 2..4 r", (0, 6)),
        ("unmap 2..4", (0, 6)),
        ("advise 1..2 hugepage", (0, 6)),
    ];
    for (step, range) in rows {
        let mut setup = Setup::new(Profile::V6_19);
        setup.limits.max_map_count = 1;
        let mut world = World::with_setup(&setup);
        world.script("map 0..6 rw");
        world.mm.events.set_enabled(true);
        assert!(world.step(step).is_err());
        let refused = Event::Refused {
            range: crate::testing::page_range(range.0, range.1),
            why: Refusal::MapCountLimit,
        };
        assert!(world.mm.events.take().contains(&refused), "{step}");
    }
}
