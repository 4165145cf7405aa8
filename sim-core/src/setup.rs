//! What a run starts from: the machine, its limits, its files.

use std::fmt;

use bitflags::bitflags;

use crate::{Bytes, Features, Profile};

/// A process of a run. The first one is [`Pid::MAIN`]; whoever forks chooses the child's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pid(pub u32);

impl Pid {
    /// The process that a run starts with.
    pub const MAIN: Self = Self(0);
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A file of the run: its index in [`Setup::files`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u32);

/// What a mapped file is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A file of a disk file system; every page is in the page cache, clean and not referenced.
    Regular,
    /// Shared memory (`memfd_create`): all holes at first.
    Memfd,
    /// A device's mapping of raw frames (`VM_PFNMAP`).
    Pfnmap,
    /// A device's mapping of frames with `struct page` (`VM_MIXEDMAP`).
    Mixedmap,
}

impl FileKind {
    /// Every kind with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("regular", Self::Regular),
        ("memfd", Self::Memfd),
        ("pfnmap", Self::Pfnmap),
        ("mixedmap", Self::Mixedmap),
    ];
}

/// A file that can be mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSpec {
    /// Its name in the scenario, in `maps` and in snapshots.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its size; need not be whole pages.
    pub size: Bytes,
    /// The byte that fills every page. Without it page *i* of a regular file is filled with
    /// *i* mod 251 + 1, and a memfd is all holes.
    pub fill: Option<u8>,
}

/// The architecture whose page tables are simulated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Arch {
    /// 64-bit x86, 4-level paging.
    #[default]
    X86_64,
    /// 64-bit Arm, 4 KiB granule, 48-bit addresses.
    Arm64,
}

impl Arch {
    /// Every architecture with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("x86_64", Self::X86_64), ("arm64", Self::Arm64)];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The end of the user's addresses (`TASK_SIZE`).
    pub const fn task_size(self) -> u64 {
        match self {
            Self::X86_64 => 0x7fff_ffff_f000,
            Self::Arm64 => 1 << 48,
        }
    }
}

impl Limits {
    /// The lowest address that the kernel chooses, or takes from a hint (`mmap_min_addr`).
    /// `vm.mmap_min_addr` below what security modules are built with (`CONFIG_LSM_MMAP_MIN_ADDR`, its
    /// default) only lets fixed mappings go lower (`security/min_addr.c`).
    pub fn lowest_address(&self, arch: Arch) -> Bytes {
        let built = match arch {
            Arch::X86_64 => Bytes(64 << 10),
            Arch::Arm64 => Bytes(32 << 10),
        };
        self.mmap_min_addr.max(built)
    }
}

/// Limits of the simulated machine and its processes; `None` is unlimited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `vm.max_map_count`.
    pub max_map_count: u32,
    /// Physical memory of the machine.
    pub ram: Bytes,
    /// Swap space.
    pub swap: Bytes,
    /// What it is on.
    pub swap_device: SwapDevice,
    /// `RLIMIT_MEMLOCK`.
    pub memlock: Option<Bytes>,
    /// `RLIMIT_AS`.
    pub address_space: Option<Bytes>,
    /// `RLIMIT_DATA`.
    pub data: Option<Bytes>,
    /// `RLIMIT_STACK`.
    pub stack: Option<Bytes>,
    /// `vm.mmap_min_addr`.
    pub mmap_min_addr: Bytes,
    /// `stack_guard_gap`, in pages.
    pub stack_guard_gap: u64,
    /// Whether processes have `CAP_IPC_LOCK` (the memlock limit does not bind) and the other
    /// capabilities that mm asks for.
    pub privileged: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_map_count: 65530,
            ram: Bytes(1 << 30),
            swap: Bytes(1 << 30),
            swap_device: SwapDevice::default(),
            memlock: Some(Bytes(8 << 20)),
            address_space: None,
            data: None,
            stack: Some(Bytes(8 << 20)),
            mmap_min_addr: Bytes(65536),
            stack_guard_gap: 256,
            privileged: false,
        }
    }
}

/// What swap space is on: how long pages stay in the swap cache, and whether huge pages go there
/// whole, depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SwapDevice {
    /// Compressed memory, which answers at once.
    #[default]
    Zram,
    /// A partition of a disk.
    Disk,
    /// A file on a disk.
    File,
}

impl SwapDevice {
    /// Every device with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("zram", Self::Zram),
        ("disk", Self::Disk),
        ("file", Self::File),
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zram => "zram",
            Self::Disk => "disk",
            Self::File => "file",
        }
    }

    /// Is what it is given written when the call that gave it ends (`SWP_SYNCHRONOUS_IO`)?
    pub const fn is_synchronous(self) -> bool {
        match self {
            Self::Zram => true,
            Self::Disk | Self::File => false,
        }
    }

    /// Can it take huge pages whole (`SWP_BLKDEV`)?
    pub const fn takes_huge_pages(self) -> bool {
        match self {
            Self::Zram | Self::Disk => true,
            Self::File => false,
        }
    }
}

/// `transparent_hugepage/enabled`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ThpEnabled {
    /// Wherever it fits.
    Always,
    /// Where `MADV_HUGEPAGE` asked for it.
    #[default]
    Madvise,
    /// Nowhere.
    Never,
}

impl ThpEnabled {
    /// Every mode with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("always", Self::Always),
        ("madvise", Self::Madvise),
        ("never", Self::Never),
    ];
}

/// Huge-page settings, with the kernel's names and defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThpSetup {
    /// `enabled`.
    pub enabled: ThpEnabled,
    /// `use_zero_page`.
    pub use_zero_page: bool,
    /// The kernel was built to collapse pages of regular files (`CONFIG_READ_ONLY_THP_FOR_FS`).
    pub read_only_thp_for_fs: bool,
    /// `khugepaged/max_ptes_none`.
    pub max_ptes_none: u32,
    /// `khugepaged/max_ptes_swap`.
    pub max_ptes_swap: u32,
    /// `khugepaged/max_ptes_shared`.
    pub max_ptes_shared: u32,
    /// `khugepaged/pages_to_scan`.
    pub pages_to_scan: u32,
}

impl Default for ThpSetup {
    fn default() -> Self {
        Self {
            enabled: ThpEnabled::Madvise,
            use_zero_page: true,
            read_only_thp_for_fs: false,
            max_ptes_none: 511,
            max_ptes_swap: 64,
            max_ptes_shared: 256,
            pages_to_scan: 4096,
        }
    }
}

/// What the MMU of an arm64 machine does itself (`FEAT_HAFDBS`); that of x86 does both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MmuSetup {
    /// It sets the access flag; without, an access through an old entry faults.
    pub hw_access_flag: bool,
    /// It notes the first write to a clean page (DBM); without, that write faults.
    pub hw_dirty: bool,
}

impl Default for MmuSetup {
    fn default() -> Self {
        Self {
            hw_access_flag: true,
            hw_dirty: true,
        }
    }
}

bitflags! {
    /// Features of the userfaultfd that each process opens on first use (`UFFD_FEATURE_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct UffdFeatures: u32 {
        /// `UFFD_FEATURE_PAGEFAULT_FLAG_WP`.
        const PAGEFAULT_FLAG_WP = 1 << 0;
        /// `UFFD_FEATURE_EVENT_FORK`.
        const EVENT_FORK = 1 << 1;
        /// `UFFD_FEATURE_EVENT_REMAP`.
        const EVENT_REMAP = 1 << 2;
        /// `UFFD_FEATURE_EVENT_REMOVE`.
        const EVENT_REMOVE = 1 << 3;
        /// `UFFD_FEATURE_EVENT_UNMAP`.
        const EVENT_UNMAP = 1 << 6;
        /// `UFFD_FEATURE_SIGBUS`.
        const SIGBUS = 1 << 7;
        /// `UFFD_FEATURE_MINOR_SHMEM`.
        const MINOR_SHMEM = 1 << 10;
        /// `UFFD_FEATURE_WP_HUGETLBFS_SHMEM`.
        const WP_HUGETLBFS_SHMEM = 1 << 12;
        /// `UFFD_FEATURE_WP_UNPOPULATED`.
        const WP_UNPOPULATED = 1 << 13;
        /// `UFFD_FEATURE_POISON`.
        const POISON = 1 << 14;
        /// `UFFD_FEATURE_WP_ASYNC`.
        const WP_ASYNC = 1 << 15;
        /// `UFFD_FEATURE_MOVE`.
        const MOVE = 1 << 16;
    }
}

impl UffdFeatures {
    /// Every feature with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("pagefault_flag_wp", Self::PAGEFAULT_FLAG_WP),
        ("event_fork", Self::EVENT_FORK),
        ("event_remap", Self::EVENT_REMAP),
        ("event_remove", Self::EVENT_REMOVE),
        ("event_unmap", Self::EVENT_UNMAP),
        ("sigbus", Self::SIGBUS),
        ("minor_shmem", Self::MINOR_SHMEM),
        ("wp_hugetlbfs_shmem", Self::WP_HUGETLBFS_SHMEM),
        ("wp_unpopulated", Self::WP_UNPOPULATED),
        ("poison", Self::POISON),
        ("wp_async", Self::WP_ASYNC),
        ("move", Self::MOVE),
    ];
}

impl Default for UffdFeatures {
    fn default() -> Self {
        Self::SIGBUS | Self::WP_UNPOPULATED | Self::POISON | Self::MOVE
    }
}

/// When pages leave the per-CPU batches in which they wait for reclaim's lists (`mm/swap.c`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LruBatches {
    /// When a batch is full, or the kernel drains them: what a program on a CPU of its own sees.
    #[default]
    Kept,
    /// After every call at the latest: what is left to compare where other programs share the CPU.
    Drained,
}

/// All that a back end needs to start a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The architecture.
    pub arch: Arch,
    /// The kernel, by name; [`features`](Self::features) may depart from it.
    pub profile: Profile,
    /// The behaviours in force.
    pub features: Features,
    /// Limits.
    pub limits: Limits,
    /// Huge-page settings.
    pub thp: ThpSetup,
    /// What the MMU does itself.
    pub mmu: MmuSetup,
    /// When pages leave the per-CPU batches.
    pub lru_batches: LruBatches,
    /// How much of a file a read fault maps, in bytes: a power of two, and nothing but the page that
    /// was read if that is a page (`/sys/kernel/debug/fault_around_bytes`).
    pub fault_around: Bytes,
    /// Features of each process's userfaultfd.
    pub uffd: UffdFeatures,
    /// Files that can be mapped; [`FileId`] is the index.
    pub files: Vec<FileSpec>,
}

impl Setup {
    /// The defaults for a profile, without files.
    pub fn new(profile: Profile) -> Self {
        Self {
            arch: Arch::default(),
            profile,
            features: profile.features(),
            limits: Limits::default(),
            thp: ThpSetup::default(),
            mmu: MmuSetup::default(),
            lru_batches: LruBatches::default(),
            fault_around: Bytes(64 << 10),
            uffd: UffdFeatures::default(),
            files: Vec::new(),
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new(Profile::default())
    }
}
