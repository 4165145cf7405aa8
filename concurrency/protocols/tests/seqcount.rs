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

/// Two leaves of a store that one bracket changes: each has its count.
struct Leaves {
    counts: [SeqCount; 2],
    entries: [AtomicU64; 2],
}

impl Leaves {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: [SeqCount::new(), SeqCount::new()],
            entries: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    /// The second leaf is touched when the first has been changed already; both are published at
    /// the end.
    fn change(&self) {
        for (count, entry) in self.counts.iter().zip(&self.entries) {
            count.begin();
            entry.store(1, Relaxed);
        }
        self.counts.iter().for_each(SeqCount::end);
    }

    /// Looks into a leaf and then into the other one.
    fn look(&self, first: usize) -> Option<(u64, u64)> {
        let second = 1 - first;
        let outer = self.counts[first].start()?;
        let a = self.entries[first].load(Relaxed);
        let inner = self.counts[second].start()?;
        let b = self.entries[second].load(Relaxed);
        let same = self.counts[second].is_same(inner) && self.counts[first].is_same(outer);
        same.then_some((a, b))
    }
}

/// A lookup that goes through two leaves sees both before a change of both, or both after it.
#[test]
fn reader_of_two_against_change_of_both() {
    Check {
        model: || {
            let leaves = Leaves::new();
            let writer = thread::spawn({
                let leaves = Arc::clone(&leaves);
                move || leaves.change()
            });
            for first in [0, 1] {
                if let Some((a, b)) = leaves.look(first) {
                    assert_eq!(a, b, "a mixture");
                }
            }
            writer.join().expect("the writer is done");
            assert_eq!(leaves.look(0), Some((1, 1)), "nobody writes");
        },
        mutants: &[
            Mutant::SeqBeginNoFence,
            Mutant::SeqEndRelaxed,
            Mutant::SeqReadRelaxed,
            Mutant::SeqReadNoFence,
            Mutant::SeqReadUnchecked,
            Mutant::SeqReadOdd,
        ],
        preemptions: Some(3),
    }
    .run();
}
