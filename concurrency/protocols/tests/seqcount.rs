//! Sequence counts.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;
use sim_sync::{Mutant, SeqCount};
use vmsim_protocols::Check;

/// Two numbers that are equal but while they are being changed.
struct Pair {
    count: SeqCount,
    halves: [AtomicU64; 2],
}

impl Pair {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            count: SeqCount::new(),
            halves: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    fn change(&self, to: u64) {
        self.count.begin();
        for half in &self.halves {
            half.store(to, Relaxed);
        }
        self.count.end();
    }

    fn look(&self, attempts: u32) -> Option<(u64, u64)> {
        self.count.read(attempts, || {
            let [a, b] = &self.halves;
            (b.load(Relaxed), a.load(Relaxed))
        })
    }
}

/// A reader never gets a mixture of two states, and finds out within as many attempts as it makes.
#[test]
fn reader_against_change() {
    Check {
        model: || {
            let pair = Pair::new();
            let writer = thread::spawn({
                let pair = Arc::clone(&pair);
                move || pair.change(1)
            });
            if let Some((a, b)) = pair.look(2) {
                assert_eq!(a, b, "a mixture");
            }
            writer.join().expect("the writer is done");
            assert_eq!(pair.look(1), Some((1, 1)), "nobody writes");
        },
        mutants: &[
            Mutant::SeqBeginNoFence,
            Mutant::SeqEndRelaxed,
            Mutant::SeqReadRelaxed,
            Mutant::SeqReadNoFence,
            Mutant::SeqReadUnchecked,
            Mutant::SeqReadOdd,
        ],
        preemptions: None,
    }
    .run();
}

/// Two changes: neither is taken for the other.
#[test]
fn reader_against_two_changes() {
    Check {
        model: || {
            let pair = Pair::new();
            let writer = thread::spawn({
                let pair = Arc::clone(&pair);
                move || {
                    pair.change(1);
                    pair.change(2);
                }
            });
            if let Some((a, b)) = pair.look(1) {
                assert_eq!(a, b, "a mixture");
            }
            writer.join().expect("the writer is done");
        },
        mutants: &[Mutant::SeqReadUnchecked],
        preemptions: Some(3),
    }
    .run();
}
