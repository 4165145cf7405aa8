//! Everything a program can ask of memory management, as data.
//!
//! Arguments are raw: unaligned, overflowing and senseless ones are expressible, since Linux's
//! answers to them are part of what is simulated.

use bitflags::bitflags;

use crate::{Bytes, FileId, Pid, VirtAddr};

bitflags! {
    /// `PROT_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Prot: u32 {
        /// `PROT_READ`.
        const READ = 1;
        /// `PROT_WRITE`.
        const WRITE = 2;
        /// `PROT_EXEC`.
        const EXEC = 4;
        /// `PROT_SEM`.
        const SEM = 8;
        /// `PROT_BTI` (arm64).
        const BTI = 0x10;
        /// `PROT_MTE` (arm64).
        const MTE = 0x20;
        /// `PROT_GROWSDOWN`.
        const GROWSDOWN = 0x0100_0000;
        /// `PROT_GROWSUP`.
        const GROWSUP = 0x0200_0000;
        /// Bits that Linux does not know are refused by it, not by us.
        const _ = !0;
    }
}

bitflags! {
    /// `MAP_*`, x86_64 and arm64 values.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MapFlags: u32 {
        /// `MAP_SHARED`.
        const SHARED = 0x01;
        /// `MAP_PRIVATE`.
        const PRIVATE = 0x02;
        /// `MAP_SHARED_VALIDATE`: a type, both low bits.
        const SHARED_VALIDATE = 0x03;
        /// `MAP_DROPPABLE`: a type.
        const DROPPABLE = 0x08;
        /// `MAP_FIXED`.
        const FIXED = 0x10;
        /// `MAP_ANONYMOUS`.
        const ANONYMOUS = 0x20;
        /// `MAP_32BIT` (x86).
        const LOW_32BIT = 0x40;
        /// `MAP_ABOVE4G` (x86).
        const ABOVE4G = 0x80;
        /// `MAP_GROWSDOWN`.
        const GROWSDOWN = 0x0100;
        /// `MAP_DENYWRITE`: ignored.
        const DENYWRITE = 0x0800;
        /// `MAP_EXECUTABLE`: ignored.
        const EXECUTABLE = 0x1000;
        /// `MAP_LOCKED`.
        const LOCKED = 0x2000;
        /// `MAP_NORESERVE`.
        const NORESERVE = 0x4000;
        /// `MAP_POPULATE`.
        const POPULATE = 0x8000;
        /// `MAP_NONBLOCK`.
        const NONBLOCK = 0x1_0000;
        /// `MAP_STACK`.
        const STACK = 0x2_0000;
        /// `MAP_HUGETLB`.
        const HUGETLB = 0x4_0000;
        /// `MAP_SYNC`.
        const SYNC = 0x8_0000;
        /// `MAP_FIXED_NOREPLACE`.
        const FIXED_NOREPLACE = 0x10_0000;
        /// `MAP_UNINITIALIZED`.
        const UNINITIALIZED = 0x400_0000;
        /// The bits that hold the type.
        const TYPE = 0x0f;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `MREMAP_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MremapFlags: u32 {
        /// `MREMAP_MAYMOVE`.
        const MAYMOVE = 1;
        /// `MREMAP_FIXED`.
        const FIXED = 2;
        /// `MREMAP_DONTUNMAP`.
        const DONTUNMAP = 4;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `MCL_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MlockallFlags: u32 {
        /// `MCL_CURRENT`.
        const CURRENT = 1;
        /// `MCL_FUTURE`.
        const FUTURE = 2;
        /// `MCL_ONFAULT`.
        const ONFAULT = 4;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_REGISTER_MODE_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct UffdMode: u32 {
        /// Missing pages.
        const MISSING = 1;
        /// Write protection.
        const WP = 2;
        /// Minor faults.
        const MINOR = 4;
    }
}

macro_rules! advice {
    ($($(#[$meta:meta])* $variant:ident = $value:literal, $name:literal;)+) => {
        /// `MADV_*` of Linux 6.19.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Advice {
            $($(#[$meta])* $variant,)+
            /// A number that is none of them.
            Other(i32),
        }

        impl Advice {
            /// Every advice that has a name, by ascending number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in scenarios: as in the man page, lower case, without prefix.
            pub const fn name(self) -> Option<&'static str> {
                match self { $(Self::$variant => Some($name),)+ Self::Other(_) => None }
            }

            /// Its number.
            pub const fn number(self) -> i32 {
                match self { $(Self::$variant => $value,)+ Self::Other(n) => n }
            }

            /// The advice with this number.
            pub const fn from_number(number: i32) -> Self {
                match number { $($value => Self::$variant,)+ n => Self::Other(n) }
            }

            /// The advice with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|a| a.name() == Some(name))
            }
        }
    };
}

advice! {
    /// No special treatment.
    Normal = 0, "normal";
    /// Expect random access.
    Random = 1, "random";
    /// Expect sequential access.
    Sequential = 2, "sequential";
    /// Read ahead.
    Willneed = 3, "willneed";
    /// Drop the pages.
    Dontneed = 4, "dontneed";
    /// Free lazily.
    Free = 8, "free";
    /// Punch a hole in the mapped object.
    Remove = 9, "remove";
    /// Not inherited by fork.
    Dontfork = 10, "dontfork";
    /// Undoes it.
    Dofork = 11, "dofork";
    /// Same-page merging may act.
    Mergeable = 12, "mergeable";
    /// Undoes it.
    Unmergeable = 13, "unmergeable";
    /// Huge pages wanted.
    Hugepage = 14, "hugepage";
    /// Huge pages refused.
    Nohugepage = 15, "nohugepage";
    /// Left out of core dumps.
    Dontdump = 16, "dontdump";
    /// Undoes it.
    Dodump = 17, "dodump";
    /// Zero in the child of a fork.
    Wipeonfork = 18, "wipeonfork";
    /// Undoes it.
    Keeponfork = 19, "keeponfork";
    /// Deactivate.
    Cold = 20, "cold";
    /// Reclaim.
    Pageout = 21, "pageout";
    /// Fault in for reading.
    PopulateRead = 22, "populate_read";
    /// Fault in for writing.
    PopulateWrite = 23, "populate_write";
    /// Drop the pages, locked ones too.
    DontneedLocked = 24, "dontneed_locked";
    /// Collapse to huge pages.
    Collapse = 25, "collapse";
    /// Poison pages (testing).
    Hwpoison = 100, "hwpoison";
    /// Offline pages (testing).
    SoftOffline = 101, "soft_offline";
    /// Install guard markers.
    GuardInstall = 102, "guard_install";
    /// Remove guard markers.
    GuardRemove = 103, "guard_remove";
}

/// A memory policy (`mbind`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Policy {
    /// `MPOL_DEFAULT`: the VMA's policy is removed.
    Default,
    /// `MPOL_PREFERRED` with a node mask.
    Preferred(u64),
    /// `MPOL_BIND` with a node mask.
    Bind(u64),
    /// `MPOL_INTERLEAVE` with a node mask.
    Interleave(u64),
    /// `MPOL_LOCAL`.
    Local,
    /// `MPOL_PREFERRED_MANY` with a node mask.
    PreferredMany(u64),
}

/// A raw address and length, as system calls take them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SyscallRange {
    /// The address; any value.
    pub addr: VirtAddr,
    /// The length; any value.
    pub len: Bytes,
}

impl SyscallRange {
    /// `len` bytes from `addr`.
    pub const fn new(addr: VirtAddr, len: Bytes) -> Self {
        Self { addr, len }
    }
}

/// Arguments of `mmap`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MmapArgs {
    /// The hint, or the address with a `FIXED` flag; 0 for none.
    pub addr: VirtAddr,
    /// The length.
    pub len: Bytes,
    /// `PROT_*`.
    pub prot: Prot,
    /// `MAP_*`, the type included.
    pub flags: MapFlags,
    /// The file; `None` with `MAP_ANONYMOUS` (without it: a bad descriptor).
    pub file: Option<FileId>,
    /// The offset in bytes.
    pub offset: u64,
}

/// Arguments of `mremap`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MremapArgs {
    /// The old mapping's address.
    pub addr: VirtAddr,
    /// Its length.
    pub old_len: Bytes,
    /// The length wanted.
    pub new_len: Bytes,
    /// `MREMAP_*`.
    pub flags: MremapFlags,
    /// The new address, used with `FIXED` (and as a hint with `DONTUNMAP`).
    pub new_addr: VirtAddr,
}

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Reads the first byte of each page.
    Read,
    /// Stores to the first byte of each page; without a value it stores what a read would give
    /// (a page is dirtied, its content stays).
    Write(Option<u8>),
    /// Fetches an instruction from each page.
    Exec,
}

/// Where `UFFDIO_COPY` copies from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UffdCopySource {
    /// The process's own memory.
    Memory(VirtAddr),
    /// Pages filled with this byte.
    Value(u8),
}

/// The stack that execve makes for a new program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NewStack {
    /// How long the strings on it are: the program's name, its arguments and its environment.
    pub strings: Bytes,
    /// How far below the highest possible address it ends (address randomization).
    pub shift: Bytes,
}

/// One thing that a program, or the kernel on its own account, does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// `mmap(2)`.
    Mmap(MmapArgs),
    /// `munmap(2)`.
    Munmap(SyscallRange),
    /// `mprotect(2)`, or `pkey_mprotect(2)` with a key.
    Mprotect {
        /// Where.
        range: SyscallRange,
        /// The protection wanted.
        prot: Prot,
        /// The protection key, if one is given.
        pkey: Option<i32>,
    },
    /// `mremap(2)`.
    Mremap(MremapArgs),
    /// `madvise(2)`.
    Madvise {
        /// Where.
        range: SyscallRange,
        /// What.
        advice: Advice,
    },
    /// `mlock(2)`, or `mlock2(2)` with `MLOCK_ONFAULT`.
    Mlock {
        /// Where.
        range: SyscallRange,
        /// `MLOCK_ONFAULT`.
        onfault: bool,
    },
    /// `munlock(2)`.
    Munlock(SyscallRange),
    /// `mlockall(2)`.
    Mlockall(MlockallFlags),
    /// `munlockall(2)`.
    Munlockall,
    /// `mseal(2)`.
    Mseal(SyscallRange),
    /// `brk(2)`; 0 asks for the present break.
    Brk(VirtAddr),
    /// `msync(2)` with `MS_SYNC`.
    Msync(SyscallRange),
    /// `mincore(2)`.
    Mincore(SyscallRange),
    /// `mbind(2)` without flags.
    Mbind {
        /// Where.
        range: SyscallRange,
        /// The policy.
        policy: Policy,
    },
    /// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)`.
    VmaName {
        /// Where.
        range: SyscallRange,
        /// The name; `None` removes it.
        label: Option<String>,
    },
    /// `UFFDIO_REGISTER`.
    UffdRegister {
        /// Where.
        range: SyscallRange,
        /// For what.
        mode: UffdMode,
    },
    /// `UFFDIO_UNREGISTER`.
    UffdUnregister(SyscallRange),
    /// `UFFDIO_WRITEPROTECT`.
    UffdWriteprotect {
        /// Where.
        range: SyscallRange,
        /// Protect, or unprotect.
        on: bool,
    },
    /// `UFFDIO_COPY`.
    UffdCopy {
        /// Where to.
        range: SyscallRange,
        /// From where.
        source: UffdCopySource,
        /// Write-protected (`UFFDIO_COPY_MODE_WP`).
        wp: bool,
    },
    /// `UFFDIO_CONTINUE`.
    UffdContinue {
        /// Where.
        range: SyscallRange,
        /// Write-protected (`UFFDIO_CONTINUE_MODE_WP`).
        wp: bool,
    },
    /// `UFFDIO_ZEROPAGE`.
    UffdZeropage(SyscallRange),
    /// `UFFDIO_POISON`.
    UffdPoison(SyscallRange),
    /// `UFFDIO_MOVE`.
    UffdMove {
        /// Where to.
        range: SyscallRange,
        /// From where.
        from: VirtAddr,
    },
    /// Touches every page that the range has a byte of, ascending, and stops at the first signal.
    Access {
        /// Where.
        range: SyscallRange,
        /// How.
        access: Access,
    },
    /// `fork(2)`, or `clone(CLONE_VM)`.
    Fork {
        /// The child's number; not in use.
        child: Pid,
        /// The child runs in the parent's mm.
        share: bool,
    },
    /// `exit(2)`.
    Exit,
    /// `execve(2)`: a fresh address space, empty but for the stack.
    Execve {
        /// The new program's stack; without it the address space is empty altogether.
        stack: Option<NewStack>,
    },
    /// Full scans of every registered process by khugepaged.
    Khugepaged {
        /// How many.
        passes: u32,
    },
    /// Reclaim of a range, as `MADV_PAGEOUT` does it.
    Reclaim(SyscallRange),
    /// Reclaim of so many pages, least recently used first.
    ReclaimPages(u64),
    /// A write to `/proc/PID/clear_refs`.
    ClearRefs(u8),
    /// `ftruncate(2)`.
    Truncate {
        /// The file.
        file: FileId,
        /// Its new size.
        size: Bytes,
    },
    /// `fallocate(FALLOC_FL_PUNCH_HOLE)`.
    PunchHole {
        /// The file.
        file: FileId,
        /// The first byte.
        offset: u64,
        /// How many.
        len: Bytes,
    },
    /// The n-th simulated kernel allocation of the next call fails, counted from 1.
    InjectAllocFailure {
        /// n.
        nth: u32,
    },
}

impl Call {
    /// The operation's name in scenarios.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Mmap(_) => "mmap",
            Self::Munmap(_) => "munmap",
            Self::Mprotect { .. } => "mprotect",
            Self::Mremap(_) => "mremap",
            Self::Madvise { .. } => "madvise",
            Self::Mlock { .. } => "mlock",
            Self::Munlock(_) => "munlock",
            Self::Mlockall(_) => "mlockall",
            Self::Munlockall => "munlockall",
            Self::Mseal(_) => "mseal",
            Self::Brk(_) => "brk",
            Self::Msync(_) => "msync",
            Self::Mincore(_) => "mincore",
            Self::Mbind { .. } => "mbind",
            Self::VmaName { .. } => "vma_name",
            Self::UffdRegister { .. } => "uffd_register",
            Self::UffdUnregister(_) => "uffd_unregister",
            Self::UffdWriteprotect { .. } => "uffd_writeprotect",
            Self::UffdCopy { .. } => "uffd_copy",
            Self::UffdContinue { .. } => "uffd_continue",
            Self::UffdZeropage(_) => "uffd_zeropage",
            Self::UffdPoison(_) => "uffd_poison",
            Self::UffdMove { .. } => "uffd_move",
            Self::Access {
                access: Access::Read,
                ..
            } => "read",
            Self::Access {
                access: Access::Write(_),
                ..
            } => "write",
            Self::Access {
                access: Access::Exec,
                ..
            } => "exec",
            Self::Fork { .. } => "fork",
            Self::Exit => "exit",
            Self::Execve { .. } => "execve",
            Self::Khugepaged { .. } => "khugepaged",
            Self::Reclaim(_) | Self::ReclaimPages(_) => "reclaim",
            Self::ClearRefs(_) => "clear_refs",
            Self::Truncate { .. } => "truncate",
            Self::PunchHole { .. } => "punch_hole",
            Self::InjectAllocFailure { .. } => "inject",
        }
    }
}
