//! Every single failing allocation of every operation.

use crate::testing::World;
use crate::{Errno, Profile};

/// What a failed step may leave behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// Everything as it was.
    Nothing,
    /// Splits, or a hole.
    Something,
}

/// Lets the first, second … allocation of the last step fail until none is left to fail.
#[track_caller]
fn check(setup: &str, step: &str, leaves: Leaves) {
    let mut failures = 0;
    for nth in 1.. {
        let mut world = World::new(Profile::V6_19);
        world.script(setup);
        let before = world.dump();
        world.mm.fail_points().arm(nth);
        let result = world.step(step);
        let all_succeeded = world.mm.fail_points().is_armed();
        world.mm.fail_points().disarm();
        world.check();
        if all_succeeded {
            assert_eq!(result, Ok(()), "{step}");
            break;
        }
        failures += 1;
        // A merge given up may also be a success: mmap makes a VMA of its own.
        if let Err(errno) = result {
            assert!(
                matches!(errno, Errno::ENOMEM | Errno::EAGAIN),
                "{step}: {errno}"
            );
            let unchanged = world.dump() == before;
            assert!(unchanged || leaves == Leaves::Something, "{step} {nth}");
        }
    }
    assert!(failures > 0, "{step} allocates");
}

#[test]
fn every_allocation_fails_once() {
    use Leaves::{Nothing, Something};
    let rows = [
        ("", "map 0..2 rw", Nothing),
        (
            "map 0..2 rw noreserve; write 0; map 4..6 rw noreserve",
            "map 2..4 rw noreserve",
            Nothing,
        ),
        (
            "map 0..6 rw noreserve; write 0",
            "map 2..4 r noreserve",
            Something,
        ),
        ("map 0..6 rw; write 0", "unmap 2..4", Something),
        ("map 0..6 rw noreserve; write 0", "unmap 0..2", Nothing),
        ("map 0..6 r", "protect 2..4 rw", Something),
        ("map 0..6 rw noreserve; write 0", "protect 0..2 r", Nothing),
        (
            "map 0..2 r noreserve; map 2..4 rw noreserve; write 2",
            "protect 2..4 r",
            Nothing,
        ),
        ("map 0..6 rw noreserve; bind 0..6 1", "lock 2..4", Something),
        ("map 0..6 rw noreserve", "bind 2..4 1", Something),
        ("map 0..6 rw noreserve", "advise 2..4 hugepage", Something),
        ("map 0..6 rw noreserve", "seal 2..4", Something),
        ("map 0..6 rw noreserve", "name 2..4 x", Something),
        ("map 0..6 rw noreserve", "write 0", Nothing),
        (
            "map 0..3 r noreserve; map 3..6 rw noreserve; write 0",
            "write 4",
            Nothing,
        ),
        (
            "map 0..6 rw noreserve; write 0; bind 3..6 1",
            "fork",
            Nothing,
        ),
        ("map 0..6 rw noreserve; write 0; fork", "fork", Nothing),
        (
            "map 0..6 rw; write 0",
            "remap 0..6 6 maymove fixed to 10",
            Something,
        ),
        (
            "map 0..6 rw; write 0",
            "remap 2..4 2 maymove fixed to 10",
            Something,
        ),
        (
            "map 0..6 rw; write 0; map 20..22 rw",
            "remap 2..4 2 maymove fixed to 22",
            Something,
        ),
        ("map 0..6 rw; write 0", "remap 0..6 8", Nothing),
    ];
    for (setup, step, leaves) in rows {
        check(setup, step, leaves);
    }
}
