//! The visible state of a process, in one form for every back end.

use crate::{PageRange, VmFlags};

/// VMAs and pages of one process at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// Its VMAs, ascending.
    pub vmas: Vec<VmaSnapshot>,
    /// Runs of pages in the same state, ascending; pages without an entry are left out. Empty when
    /// the level asked for has no pages.
    pub pages: Vec<PageRun>,
}

/// One VMA as `/proc/PID/smaps` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmaSnapshot {
    /// Its addresses.
    pub range: PageRange,
    /// Its flags. From the live kernel: those that smaps can show.
    pub flags: VmFlags,
    /// The offset column of maps, in bytes: 0 for anonymous memory.
    pub offset: u64,
    /// The name of the mapped file; `None` for private anonymous memory. Shared anonymous memory
    /// is `"/dev/zero"`, as maps shows it.
    pub file: Option<String>,
    /// Its anonymous name (`PR_SET_VMA_ANON_NAME`).
    pub label: Option<String>,
    /// Whether it has an `anon_vma`; `None` where the back end cannot know.
    pub anon_vma: Option<bool>,
    /// Its counters; all zero when the level asked for has none.
    pub smaps: Smaps,
}

macro_rules! smaps_counters {
    ($($(#[$meta:meta])* $field:ident = $name:literal,)+) => {
        /// The counters of `/proc/PID/smaps`, in kB (`THPeligible` and `ProtectionKey` are not
        /// sizes).
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Smaps {
            $($(#[$meta])* pub $field: u64,)+
        }

        impl Smaps {
            /// Every counter with smaps' name for it, in smaps' order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($name, self.$field),)+].into_iter()
            }

            /// The counter with this name in smaps.
            pub fn counter_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name { $($name => Some(&mut self.$field),)+ _ => None }
            }
        }
    };
}

smaps_counters! {
    /// Size of the VMA.
    size = "Size",
    /// Page size the kernel uses.
    kernel_page_size = "KernelPageSize",
    /// Page size the MMU uses.
    mmu_page_size = "MMUPageSize",
    /// Mapped pages.
    rss = "Rss",
    /// Mapped pages, each divided by the number of its mappings.
    pss = "Pss",
    /// The dirty part of it.
    pss_dirty = "Pss_Dirty",
    /// Mapped more than once, clean.
    shared_clean = "Shared_Clean",
    /// Mapped more than once, dirty.
    shared_dirty = "Shared_Dirty",
    /// Mapped once, clean.
    private_clean = "Private_Clean",
    /// Mapped once, dirty.
    private_dirty = "Private_Dirty",
    /// Accessed.
    referenced = "Referenced",
    /// Anonymous pages.
    anonymous = "Anonymous",
    /// Merged by KSM.
    ksm = "KSM",
    /// Freed by `MADV_FREE`, not yet reclaimed.
    lazy_free = "LazyFree",
    /// Anonymous memory mapped by PMDs.
    anon_huge_pages = "AnonHugePages",
    /// Shared memory mapped by PMDs.
    shmem_pmd_mapped = "ShmemPmdMapped",
    /// Files mapped by PMDs.
    file_pmd_mapped = "FilePmdMapped",
    /// hugetlb, shared.
    shared_hugetlb = "Shared_Hugetlb",
    /// hugetlb, private.
    private_hugetlb = "Private_Hugetlb",
    /// Swapped out.
    swap = "Swap",
    /// Swapped out, each divided by the number of its references.
    swap_pss = "SwapPss",
    /// `Pss` of a locked VMA.
    locked = "Locked",
    /// 1 if huge pages are possible here.
    thp_eligible = "THPeligible",
}

/// Consecutive pages in the same state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// Their addresses.
    pub range: PageRange,
    /// Their state.
    pub state: PageState,
}

/// The state of a page as `/proc/PID/pagemap` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PageState {
    /// Mapped.
    Present {
        /// Mapped exactly once (bit 56).
        exclusive: bool,
        /// A page of a file or of shared memory (bit 61).
        file: bool,
        /// Mapped by a PMD.
        huge: bool,
        /// Write-protected by userfaultfd (bit 57).
        uffd_wp: bool,
        /// Soft-dirty (bit 55).
        soft_dirty: bool,
    },
    /// Swapped out.
    Swap {
        /// Write-protected by userfaultfd (bit 57).
        uffd_wp: bool,
        /// Soft-dirty (bit 55).
        soft_dirty: bool,
    },
    /// A guard marker (bit 58).
    Guard,
    /// A poison marker.
    Poison,
    /// A userfaultfd write-protection marker on an empty entry.
    Marker,
    /// Being migrated.
    Migration,
}
