use sim_core::{Bytes, Call, Outcome, Pid, SyscallRange, VirtAddr};

use super::{Shrunk, shrink};
use crate::compare::Difference;
use crate::lockstep::Divergence;

fn munmap(page: u64, pages: u64) -> (Pid, Call) {
    let range = SyscallRange::new(VirtAddr::new(page << 12), Bytes::from_pages(pages));
    (Pid::MAIN, Call::Munmap(range))
}

/// Fails at the first call on page 7 of more than two pages that comes after one on page 3.
fn test(calls: &[(Pid, Call)]) -> Option<Divergence> {
    let mut seen = false;
    for (index, (pid, call)) in calls.iter().enumerate() {
        let Call::Munmap(range) = call else { continue };
        seen |= range.addr.page_number() == 3;
        if seen && range.addr.page_number() == 7 && range.len.pages() > 2 {
            return Some(Divergence {
                index,
                pid: *pid,
                call: call.clone(),
                seen_in: *pid,
                difference: Difference::Outcome {
                    left: Outcome::OK,
                    right: Outcome::Livelock,
                },
                left_outcome: Outcome::OK,
                right_outcome: Outcome::Livelock,
                left: None,
                right: None,
            });
        }
    }
    None
}

#[test]
fn only_what_is_needed_remains() {
    let calls: Vec<_> = (0..40).map(|i| munmap(i % 9, i % 11 + 1)).collect();
    let divergence = test(&calls).expect("the list fails");
    let shrunk = shrink(Shrunk { calls, divergence }, &mut test, 10_000);
    assert_eq!(shrunk.calls, [munmap(3, 1), munmap(7, 3)]);
    assert_eq!(shrunk.divergence.index, 1);
}

#[test]
fn no_process_remains_that_nobody_makes() {
    let child = Pid(1);
    let fork = Call::Fork {
        child,
        share: false,
    };
    let (_, in_child) = munmap(1, 1);
    let calls = vec![
        munmap(8, 1),
        (Pid::MAIN, fork),
        (child, in_child),
        munmap(3, 1),
        munmap(7, 3),
    ];
    let divergence = test(&calls).expect("the list fails");
    // One list is tried: that without the first two calls.
    let shrunk = shrink(Shrunk { calls, divergence }, &mut test, 1);
    assert_eq!(shrunk.calls, [munmap(3, 1), munmap(7, 3)]);
}
