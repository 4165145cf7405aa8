//! Mistakes that a model check can make on purpose, to show that its test would notice them.
//!
//! They exist only in builds for a model checker (features `loom` and `shuttle`); in all others
//! [`Mutant::is_active`] is a constant and [`Mutant::weakens`] returns what it was given.

use crate::prim::atomic::Ordering;

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One mistake.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

mutants! {
    /// A VMA's writer lets its count go without releasing.
    VmaWriteCountRelaxed,
    /// A VMA's reader is counted without acquiring.
    VmaReadCountRelaxed,
    /// A VMA's reader does not look at the sequence number again once it is counted.
    VmaReadUnchecked,
    /// A VMA's reader compares with the address space's sequence number without acquiring.
    VmaReadSeqRelaxed,
    /// A VMA's reader leaves without releasing.
    VmaReadEndRelaxed,
    /// A VMA's writer does not acquire what readers released when they left.
    VmaWriteWaitRelaxed,
    /// A VMA's writer does not wait for readers.
    VmaWriteNoWait,
    /// The end of a write section is stored without releasing.
    MmEndWriteRelaxed,
    /// A VMA is detached while it has readers.
    VmaDetachNoWait,
    /// A VMA is attached without releasing its contents.
    VmaAttachRelaxed,
    /// A VMA is attached without being locked for writing.
    VmaAttachUnlocked,
    /// No fence between the odd sequence number and the stores of the change.
    SeqBeginNoFence,
    /// The even sequence number is stored without releasing.
    SeqEndRelaxed,
    /// A reader begins without acquiring.
    SeqReadRelaxed,
    /// No fence between a reader's loads and its second look at the sequence number.
    SeqReadNoFence,
    /// A reader does not look at the sequence number again.
    SeqReadUnchecked,
    /// A reader does not mind an odd sequence number.
    SeqReadOdd,
    /// A VMA's new flags are computed before it is locked for writing.
    ModifyFlagsEarly,
    /// A merge takes the sticky flags that VMAs had before they were locked for writing.
    MergeStickyEarly,
    /// The part that is split off a VMA is copied before the VMA is locked for writing.
    SplitCopiesEarly,
    /// fork does not lock the parent's VMAs for writing.
    ForkUnlocked,
    /// Guards are written before the flag is set.
    GuardFlagLate,
    /// Retraction looks at a VMA's flag before it has locked the page table.
    RetractTestsEarly,
    /// Pages of objects are taken away while others bring them in.
    ObjectsUnlocked,
    /// A table that was seen empty is freed after its lock was let go.
    FreeTableUnlocked,
}

#[cfg(any(feature = "loom", feature = "shuttle"))]
mod active {
    use std::cell::Cell;

    use super::Mutant;
    use crate::failure;

    // A model checker runs all threads of a check in the thread that started it.
    std::thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    impl Mutant {
        /// Is this mistake to be made?
        pub fn is_active(self) -> bool {
            ACTIVE.get() == Some(self)
        }

        /// Runs `check` with this mistake made.
        pub fn during<R>(self, check: impl FnOnce() -> R) -> R {
            struct Reset;
            impl Drop for Reset {
                fn drop(&mut self) {
                    ACTIVE.set(None);
                }
            }
            ACTIVE.set(Some(self));
            let _reset = Reset;
            check()
        }

        /// Which of `mutants` no run of `check` fails with.
        pub fn unnoticed(mutants: &[Self], check: impl Fn()) -> Vec<Self> {
            let missed = |mutant: &Self| mutant.during(|| failure(&check)).is_none();
            mutants.iter().copied().filter(missed).collect()
        }
    }
}

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
impl Mutant {
    /// Is this mistake to be made? Never.
    #[inline]
    pub const fn is_active(self) -> bool {
        false
    }
}

impl Mutant {
    /// `order`, or no order at all.
    #[inline]
    pub fn weakens(self, order: Ordering) -> Ordering {
        if self.is_active() {
            Ordering::Relaxed
        } else {
            order
        }
    }
}
