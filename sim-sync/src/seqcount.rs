//! Sequence counts (`include/linux/seqlock.h`): readers that take nothing, and notice when what
//! they have read was being changed.
//!
//! ```text
//!        reader                                writer (one at a time)
//!   seq, acquiring: odd? try again        seq: even → odd
//!   ... reads, relaxed ...                fence, release
//!   fence, acquire                        ... stores, relaxed ...
//!   seq: another one? try again           seq: odd → even, releasing
//! ```
//!
//! A reader that sees a store of a change also sees, after its fence, the odd number that was
//! stored before the writer's fence. One that begins with the even number of a change's end sees
//! all of that change.

use crate::Mutant;
use crate::prim::atomic::{AtomicU64, Ordering, fence};

/// The sequence count of something that is only read and written through atomics, or through
/// references that the borrow checker knows of.
#[derive(Debug)]
pub struct SeqCount(AtomicU64);

/// When a reader began.
#[derive(Clone, Copy, Debug)]
#[must_use = "what was read has to be validated"]
pub struct Stamp(u64);

impl Default for SeqCount {
    fn default() -> Self {
        Self::new()
    }
}

impl SeqCount {
    /// Nobody is writing.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// A change begins (`write_seqcount_begin()`). The caller is the only writer.
    #[inline]
    pub fn begin(&self) {
        let seq = self.0.load(Ordering::Relaxed);
        debug_assert!(seq.is_multiple_of(2), "one change at a time");
        self.0.store(seq + 1, Ordering::Relaxed);
        if !Mutant::SeqBeginNoFence.is_active() {
            fence(Ordering::Release);
        }
    }

    /// The change is complete (`write_seqcount_end()`).
    #[inline]
    pub fn end(&self) {
        let seq = self.0.load(Ordering::Relaxed);
        debug_assert!(!seq.is_multiple_of(2), "a change that ends has begun");
        let order = Mutant::SeqEndRelaxed.weakens(Ordering::Release);
        self.0.store(seq + 1, order);
    }

    /// Is there a change under way? For the writer.
    #[inline]
    pub fn is_changing(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_multiple_of(2)
    }

    /// What `look` sees between two changes; `None` if there was a change each time of `attempts`.
    ///
    /// `look` may see any mixture of states; what it returns then is dropped.
    #[inline]
    pub fn read<T>(&self, attempts: u32, mut look: impl FnMut() -> T) -> Option<T> {
        for _ in 0..attempts {
            if let Some(stamp) = self.start() {
                let seen = look();
                if self.is_same(stamp) {
                    return Some(seen);
                }
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Before something is read (`read_seqcount_begin()`); `None` during a change.
    #[inline]
    pub fn start(&self) -> Option<Stamp> {
        let order = Mutant::SeqReadRelaxed.weakens(Ordering::Acquire);
        let seq = self.0.load(order);
        (seq.is_multiple_of(2) || Mutant::SeqReadOdd.is_active()).then_some(Stamp(seq))
    }

    /// After it was read: was there no change (`read_seqcount_retry()`)?
    ///
    /// Of several things that are read together, those read first are asked last.
    #[inline]
    pub fn is_same(&self, stamp: Stamp) -> bool {
        if !Mutant::SeqReadNoFence.is_active() {
            fence(Ordering::Acquire);
        }
        self.0.load(Ordering::Relaxed) == stamp.0 || Mutant::SeqReadUnchecked.is_active()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed() {
        let count = SeqCount::new();
        assert_eq!(count.read(1, || 1), Some(1));
        count.begin();
        assert_eq!(count.read(9, || 2), None);
        count.end();
        let mut looks = 0;
        let seen = count.read(2, || {
            looks += 1;
            if looks == 1 {
                count.begin();
                count.end();
            }
            looks
        });
        assert_eq!(seen, Some(2), "what was seen during a change is dropped");
    }
}
