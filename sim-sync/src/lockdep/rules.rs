//! The rules, as a function of what a thread has and what it takes.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Class, Nesting};

const CLASSES: usize = Class::ALL.len();
const _: () = assert!(CLASSES <= u32::BITS as usize, "one bit for each class");

/// How a lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// With others.
    Read,
    /// With others, by a thread that may have one of the kind: waiting writers are passed.
    ReadAgain,
    /// Alone.
    Write,
}

/// A lock that a thread has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lock {
    /// What kind.
    pub class: Class,
    /// How.
    pub mode: Mode,
}

/// A lock was taken where it must not be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// Within a lock of a higher level.
    Order {
        /// What the thread had.
        held: Class,
        /// What it took.
        taken: Class,
    },
    /// Two of a kind that does not nest, or not like this.
    Nested(Class),
    /// Some thread took them the other way round, perhaps with others in between.
    Cycle {
        /// What the thread had.
        held: Class,
        /// What it took.
        taken: Class,
    },
    /// mmap_lock within a VMA's lock: its writer may be waiting for that VMA's readers.
    MmapWithinVma,
    /// A VMA is locked for writing by a thread that reads one: it may wait for itself.
    VmaWriteWithinVmaRead,
}

impl Violation {
    /// The invariant that is broken.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order { .. } => "locks_in_order",
            Self::Nested(_) => "locks_of_a_kind_nest_as_allowed",
            Self::Cycle { .. } => "lock_order_has_no_cycle",
            Self::MmapWithinVma => "no_mmap_lock_within_a_vma_lock",
            Self::VmaWriteWithinVmaRead => "no_vma_write_within_a_vma_read",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Order { held, taken } => write!(f, ": {taken:?} within {held:?}"),
            Self::Nested(class) => write!(f, ": {class:?}"),
            Self::Cycle { held, taken } => {
                write!(
                    f,
                    ": {taken:?} within {held:?}, and elsewhere the other way round"
                )
            }
            Self::MmapWithinVma | Self::VmaWriteWithinVmaRead => Ok(()),
        }
    }
}

impl std::error::Error for Violation {}

/// Which kinds of lock were ever taken within which.
#[derive(Debug)]
pub struct Graph {
    /// For each class, those taken within it.
    within: [AtomicU32; CLASSES],
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

const fn bit(class: Class) -> u32 {
    1 << class as u32
}

impl Graph {
    /// Nothing was taken yet.
    pub const fn new() -> Self {
        Self {
            within: [const { AtomicU32::new(0) }; CLASSES],
        }
    }

    /// May a thread that has `held` wait for `taken`? Remembers the order.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn take(&self, held: &[Lock], taken: Lock) -> Result<(), Violation> {
        // There is one table of processes: who has it gets it again, whoever waits for it.
        if taken.class == Class::Processes && held.iter().any(|lock| lock.class == taken.class) {
            return nests(taken.class, Mode::Read, taken.mode);
        }
        held.iter()
            .try_for_each(|held| self.take_within(*held, taken))
    }

    fn take_within(&self, held: Lock, taken: Lock) -> Result<(), Violation> {
        match (held.class, taken.class) {
            (Class::Vma, Class::Mmap) => return Err(Violation::MmapWithinVma),
            (Class::Vma, Class::Vma) if taken.mode == Mode::Write => {
                return Err(Violation::VmaWriteWithinVmaRead);
            }
            _ => {}
        }
        if held.class == taken.class {
            return nests(held.class, held.mode, taken.mode);
        }
        let (held, taken) = (held.class, taken.class);
        if held.level() > taken.level() {
            return Err(Violation::Order { held, taken });
        }
        let before = self.within[held as usize].fetch_or(bit(taken), Relaxed);
        if before & bit(taken) == 0 && self.reaches(taken, held) {
            return Err(Violation::Cycle { held, taken });
        }
        Ok(())
    }

    /// Was `to` ever taken within `from`, or within something taken within it?
    fn reaches(&self, from: Class, to: Class) -> bool {
        let mut reached = bit(from);
        loop {
            let more = Class::ALL
                .iter()
                .filter(|class| reached & bit(**class) != 0)
                .fold(reached, |sum, class| {
                    sum | self.within[*class as usize].load(Relaxed)
                });
            if more & bit(to) != 0 {
                return true;
            }
            if more == reached {
                return false;
            }
            reached = more;
        }
    }

    /// Every pair seen: the second was taken within the first.
    pub fn pairs(&self) -> Vec<(Class, Class)> {
        let within = |outer: &Class| self.within[*outer as usize].load(Relaxed);
        let pairs = Class::ALL.iter().flat_map(|outer| {
            let inner = Class::ALL
                .iter()
                .filter(|inner| within(outer) & bit(**inner) != 0);
            inner.map(|inner| (*outer, *inner))
        });
        pairs.collect()
    }
}

fn nests(class: Class, held: Mode, taken: Mode) -> Result<(), Violation> {
    match class.nesting() {
        Nesting::Ordered => Ok(()),
        Nesting::Readers if held != Mode::Write && taken == Mode::ReadAgain => Ok(()),
        Nesting::Readers | Nesting::Never => Err(Violation::Nested(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn read(class: Class) -> Lock {
        let mode = Mode::Read;
        Lock { class, mode }
    }

    const fn again(class: Class) -> Lock {
        let mode = Mode::ReadAgain;
        Lock { class, mode }
    }

    const fn write(class: Class) -> Lock {
        let mode = Mode::Write;
        Lock { class, mode }
    }

    /// Locks that are taken one within the other, and what that breaks.
    #[test]
    fn violations() {
        use Class::{Device, File, Mmap, PageTable, Processes, Swap, Uffd, Vma};
        let cases: &[(&[Lock], Result<(), Violation>)] = &[
            (
                &[read(Processes), read(Mmap), write(PageTable), write(Swap)],
                Ok(()),
            ),
            (
                &[read(Processes), read(Vma), write(File), write(PageTable)],
                Ok(()),
            ),
            (&[read(Mmap), again(Mmap), again(Mmap)], Ok(())),
            (&[read(Mmap), read(Mmap)], Err(Violation::Nested(Mmap))),
            (&[write(Mmap), again(Mmap)], Err(Violation::Nested(Mmap))),
            (&[write(PageTable), write(PageTable)], Ok(())),
            (&[read(Mmap), write(Mmap)], Err(Violation::Nested(Mmap))),
            (&[write(Swap), write(Swap)], Err(Violation::Nested(Swap))),
            (&[read(Vma), read(Mmap)], Err(Violation::MmapWithinVma)),
            (&[read(Vma), write(Mmap)], Err(Violation::MmapWithinVma)),
            (
                &[read(Vma), write(Vma)],
                Err(Violation::VmaWriteWithinVmaRead),
            ),
            (
                &[write(PageTable), read(Mmap)],
                Err(Violation::Order {
                    held: PageTable,
                    taken: Mmap,
                }),
            ),
            (
                &[write(Swap), write(File)],
                Err(Violation::Order {
                    held: Swap,
                    taken: File,
                }),
            ),
            (&[write(Uffd), write(Device)], Ok(())),
            (&[read(Processes), write(Mmap), again(Processes)], Ok(())),
            (
                &[write(Mmap), again(Processes)],
                Err(Violation::Order {
                    held: Mmap,
                    taken: Processes,
                }),
            ),
        ];
        for (locks, want) in cases {
            let graph = Graph::new();
            let all = (1..locks.len()).try_for_each(|i| graph.take(&locks[..i], locks[i]));
            assert_eq!(all, *want, "{locks:?}");
        }
    }

    #[test]
    fn cycles_among_locks_of_one_level() {
        use Class::{AnonVmas, Device, Uffd};
        let graph = Graph::new();
        let take = |held, taken| graph.take(&[write(held)], write(taken));
        assert_eq!(take(Uffd, Device), Ok(()));
        assert_eq!(take(Device, AnonVmas), Ok(()));
        let (held, taken) = (AnonVmas, Uffd);
        assert_eq!(take(held, taken), Err(Violation::Cycle { held, taken }));
        let seen = graph.pairs();
        assert_eq!(seen, [(Uffd, Device), (Device, AnonVmas), (AnonVmas, Uffd)]);
    }

    #[test]
    fn names_are_in_messages() {
        let violation = Violation::MmapWithinVma;
        assert_eq!(violation.to_string(), "no_mmap_lock_within_a_vma_lock");
    }
}
