//! Everything a program can ask of memory management, as data.
//!
//! Arguments are raw: unaligned, overflowing and senseless ones are expressible, since Linux's
//! answers to them are part of what is simulated.

mod advice;
mod flags;

use crate::{Bytes, FileId, Pid, VirtAddr};

pub use advice::Advice;
pub use flags::{MapFlags, MlockallFlags, MremapFlags, Prot, UffdMode};

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
