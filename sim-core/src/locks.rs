//! Which locks Linux takes for each call: one table.
//!
//! The order is that of taking them, outer to inner. What is taken only sometimes says when. The
//! rows follow 6.19; where a feature changes a row, [`locks_of`] asks it.

use std::fmt;

use crate::{Advice, Call, Features};

/// A lock of Linux memory management.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lock {
    /// `mmap_lock`, for writing.
    MmapWrite,
    /// `mmap_lock`, for reading.
    MmapRead,
    /// A VMA's lock, for writing (`vma_start_write()`): held until `mmap_lock` is let go.
    VmaWrite,
    /// A VMA's lock, for reading (`lock_vma_under_rcu()`): no `mmap_lock` then.
    VmaRead,
    /// `i_mmap_rwsem` of the mapped object, for writing.
    ObjectWrite,
    /// `i_mmap_rwsem` of the mapped object, for reading.
    ObjectRead,
    /// The root anon_vma's `rwsem`, for writing.
    AnonVmaWrite,
    /// The root anon_vma's `rwsem`, for reading.
    AnonVmaRead,
    /// The spinlock of a page table.
    PageTable,
    /// `inode->i_rwsem` and `invalidate_lock`, for writing.
    InodeWrite,
}

impl Lock {
    /// Its name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MmapWrite => "mmap write",
            Self::MmapRead => "mmap read",
            Self::VmaWrite => "VMA write",
            Self::VmaRead => "VMA read",
            Self::ObjectWrite => "i_mmap write",
            Self::ObjectRead => "i_mmap read",
            Self::AnonVmaWrite => "anon_vma write",
            Self::AnonVmaRead => "anon_vma read",
            Self::PageTable => "page table",
            Self::InodeWrite => "inode write",
        }
    }
}

/// A lock that a call takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LockUse {
    /// Which.
    pub lock: Lock,
    /// When or for what, if that does not go without saying.
    pub when: &'static str,
}

impl fmt::Display for LockUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lock.name())?;
        if !self.when.is_empty() {
            write!(f, " ({})", self.when)?;
        }
        Ok(())
    }
}

const fn take(lock: Lock, when: &'static str) -> LockUse {
    LockUse { lock, when }
}

const MMAP_WRITE: LockUse = take(Lock::MmapWrite, "");
const MMAP_READ: LockUse = take(Lock::MmapRead, "");
const VMA_WRITE: LockUse = take(Lock::VmaWrite, "each that changes");
const PAGE_TABLE: LockUse = take(Lock::PageTable, "");
const OBJECT_IF_MOVED: LockUse = take(Lock::ObjectWrite, "file: boundaries move");
const ANON_IF_MOVED: LockUse = take(Lock::AnonVmaWrite, "with anon_vma: boundaries move");
const THEN_READ: LockUse = take(Lock::MmapRead, "downgraded, to free pages");
const POPULATE: LockUse = take(Lock::MmapRead, "afterwards, to populate");
const VMA_READ: LockUse = take(
    Lock::VmaRead,
    "if one VMA without userfaultfd has all of the range",
);
const FAULT_VMA_READ: LockUse = take(Lock::VmaRead, "");
const ELSE_MMAP_READ: LockUse = take(Lock::MmapRead, "otherwise");

/// Flags of VMAs change: boundaries may move, page tables are not looked at.
const MODIFY: &[LockUse] = &[MMAP_WRITE, VMA_WRITE, OBJECT_IF_MOVED, ANON_IF_MOVED];
/// And page tables change with them.
const MODIFY_PAGES: &[LockUse] = &[
    MMAP_WRITE,
    VMA_WRITE,
    OBJECT_IF_MOVED,
    ANON_IF_MOVED,
    PAGE_TABLE,
];
const MLOCK: &[LockUse] = &[
    MMAP_WRITE,
    VMA_WRITE,
    OBJECT_IF_MOVED,
    ANON_IF_MOVED,
    PAGE_TABLE,
    POPULATE,
];
const UNMAP: &[LockUse] = &[
    MMAP_WRITE,
    VMA_WRITE,
    OBJECT_IF_MOVED,
    ANON_IF_MOVED,
    THEN_READ,
    PAGE_TABLE,
];
const FORK: &[LockUse] = &[
    take(Lock::MmapWrite, "parent's, then child's"),
    take(Lock::VmaWrite, "each of the parent's"),
    take(Lock::ObjectWrite, "files"),
    take(Lock::AnonVmaWrite, "VMAs with anon_vma"),
    take(Lock::PageTable, "child's, then parent's"),
];
const EXIT: &[LockUse] = &[
    take(Lock::MmapRead, "to unmap pages"),
    PAGE_TABLE,
    take(Lock::MmapWrite, "to free tables and VMAs"),
];
const COLLAPSE: &[LockUse] = &[
    take(Lock::MmapRead, "to scan"),
    PAGE_TABLE,
    take(Lock::MmapWrite, "to collapse anonymous memory"),
    take(Lock::VmaWrite, "the same"),
    take(Lock::AnonVmaWrite, "the same"),
    take(Lock::ObjectRead, "files: to drop page tables"),
];
const RECLAIM: &[LockUse] = &[
    MMAP_READ,
    PAGE_TABLE,
    take(Lock::AnonVmaRead, "to unmap from every process"),
    take(Lock::ObjectRead, "files: the same"),
];
const OBJECT: &[LockUse] = &[
    take(Lock::InodeWrite, ""),
    take(Lock::ObjectRead, "to unmap from every process"),
    PAGE_TABLE,
];
const READ_PAGES: &[LockUse] = &[MMAP_READ, PAGE_TABLE];
const BY_VMA: &[LockUse] = &[VMA_READ, ELSE_MMAP_READ, PAGE_TABLE];
const FILL: &[LockUse] = &[FAULT_VMA_READ, ELSE_MMAP_READ, PAGE_TABLE];

/// The locks that a call takes, in order.
pub const fn locks_of(call: &Call, features: &Features) -> &'static [LockUse] {
    match call {
        Call::Mmap(_) => {
            const {
                &[
                    MMAP_WRITE,
                    VMA_WRITE,
                    OBJECT_IF_MOVED,
                    ANON_IF_MOVED,
                    take(Lock::PageTable, "if something was mapped there"),
                    take(Lock::MmapRead, "afterwards, to populate if asked to"),
                ]
            }
        }
        Call::Munmap(_) => UNMAP,
        Call::Mprotect { .. } => MODIFY_PAGES,
        Call::Mremap(_) => {
            const {
                &[
                    MMAP_WRITE,
                    VMA_WRITE,
                    take(Lock::ObjectWrite, "file: boundaries or entries move"),
                    take(Lock::AnonVmaWrite, "with anon_vma: the same"),
                    take(Lock::PageTable, "old place, then new one"),
                ]
            }
        }
        Call::Brk(_) => {
            const {
                &[
                    MMAP_WRITE,
                    VMA_WRITE,
                    ANON_IF_MOVED,
                    take(Lock::MmapRead, "going down: downgraded, to free pages"),
                    take(Lock::PageTable, "going down"),
                ]
            }
        }
        Call::Madvise { advice, .. } => locks_of_advice(*advice, features),
        Call::Mlock { .. } | Call::Mlockall(_) => MLOCK,
        Call::Munlock(_) | Call::Munlockall => MODIFY_PAGES,
        Call::Mseal(_) | Call::Mbind { .. } | Call::VmaName { .. } => MODIFY,
        Call::UffdRegister { .. } | Call::UffdUnregister(_) | Call::ClearRefs(_) => MODIFY_PAGES,
        Call::Msync(_) => &[MMAP_READ],
        Call::Mincore(_) | Call::UffdWriteprotect { .. } => READ_PAGES,
        Call::UffdCopy { .. }
        | Call::UffdContinue { .. }
        | Call::UffdZeropage(_)
        | Call::UffdPoison(_) => FILL,
        Call::UffdMove { .. } => {
            const {
                &[
                    take(Lock::VmaRead, "both"),
                    ELSE_MMAP_READ,
                    take(Lock::AnonVmaWrite, "of each page"),
                    take(Lock::PageTable, "both"),
                ]
            }
        }
        Call::Access { .. } => {
            const {
                &[
                    FAULT_VMA_READ,
                    take(Lock::MmapRead, "otherwise; write to grow a stack"),
                    PAGE_TABLE,
                ]
            }
        }
        Call::Fork { share: false, .. } => FORK,
        Call::Exit | Call::Execve { .. } => EXIT,
        Call::Khugepaged { .. } => COLLAPSE,
        Call::Reclaim(_) => RECLAIM,
        Call::ReclaimPages(_) => {
            const {
                &[
                    take(Lock::AnonVmaRead, "to unmap from every process"),
                    take(Lock::ObjectRead, "files: the same"),
                    PAGE_TABLE,
                ]
            }
        }
        Call::Truncate { .. } | Call::PunchHole { .. } => OBJECT,
        Call::Fork { share: true, .. } | Call::InjectAllocFailure { .. } => &[],
    }
}

const fn locks_of_advice(advice: Advice, features: &Features) -> &'static [LockUse] {
    match advice {
        Advice::GuardInstall => guard_install(features),
        Advice::GuardRemove if features.guard_vma_lock => BY_VMA,
        Advice::GuardRemove => READ_PAGES,
        Advice::Dontneed | Advice::DontneedLocked | Advice::Free => BY_VMA,
        Advice::Willneed | Advice::PopulateRead | Advice::PopulateWrite => READ_PAGES,
        Advice::Cold | Advice::Pageout => RECLAIM,
        Advice::Remove => {
            const {
                &[
                    MMAP_READ,
                    take(Lock::InodeWrite, "mmap_lock is let go before"),
                    take(Lock::ObjectRead, "to unmap from every process"),
                    PAGE_TABLE,
                ]
            }
        }
        Advice::Collapse => COLLAPSE,
        Advice::Normal
        | Advice::Random
        | Advice::Sequential
        | Advice::Dontfork
        | Advice::Dofork
        | Advice::Mergeable
        | Advice::Unmergeable
        | Advice::Hugepage
        | Advice::Nohugepage
        | Advice::Dontdump
        | Advice::Dodump
        | Advice::Wipeonfork
        | Advice::Keeponfork => MODIFY,
        // Failure injection and unknown numbers: refused before anything is locked.
        Advice::Hwpoison | Advice::SoftOffline | Advice::Other(_) => &[],
    }
}

/// `MAYBE_GUARD` must be set on the VMA: atomically under a read lock, or not.
const fn guard_install(features: &Features) -> &'static [LockUse] {
    if features.maybe_guard && !features.atomic_flags {
        &[MMAP_WRITE, VMA_WRITE, PAGE_TABLE]
    } else if features.guard_vma_lock {
        const {
            &[
                take(
                    Lock::VmaRead,
                    "if one VMA without userfaultfd has all of the range, and an anon_vma if anonymous",
                ),
                ELSE_MMAP_READ,
                PAGE_TABLE,
            ]
        }
    } else {
        READ_PAGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, Profile, SyscallRange, VirtAddr};

    fn first_lock(advice: Advice, features: &Features) -> Lock {
        let range = SyscallRange::new(VirtAddr::ZERO, Bytes(4096));
        locks_of(&Call::Madvise { range, advice }, features)[0].lock
    }

    #[test]
    fn guard_install_by_feature() {
        let newest = Profile::V6_19.features();
        let written = Features {
            atomic_flags: false,
            ..newest
        };
        let cases = [
            (Profile::V6_15.features(), Lock::MmapRead),
            (Profile::V6_18.features(), Lock::MmapRead),
            (Profile::V6_18Stable.features(), Lock::MmapRead),
            (newest, Lock::VmaRead),
            (written, Lock::MmapWrite),
        ];
        for (features, want) in cases {
            assert_eq!(
                first_lock(Advice::GuardInstall, &features),
                want,
                "{features:?}"
            );
        }
    }

    #[test]
    fn advice_that_changes_flags_writes() {
        let features = Profile::V6_19.features();
        for &advice in Advice::ALL {
            let writes = crate::classify_advice(advice) == Ok(crate::AdviceClass::Flags);
            let refused = matches!(advice, Advice::Hwpoison | Advice::SoftOffline);
            let locked = !refused && first_lock(advice, &features) == Lock::MmapWrite;
            assert_eq!(locked, writes, "{advice:?}");
        }
    }
}
