//! Steps: what is done, where, and what is expected of it.

use sim_core::{
    Advice, Bytes, Errno, FileId, MapFlags, MlockallFlags, MremapFlags, NewStack, Policy, Prot,
    Signal, UffdMode, VirtAddr,
};

use super::{Check, RangeExpr};
use crate::source::{Placed, Span};

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Its place among the outermost steps, counted from 0; that of the outermost step around it
    /// for a step inside `repeat` or `parallel`.
    pub index: usize,
    /// The process it runs in.
    pub process: String,
    /// Where its `in` is written; its `op` if it has none.
    pub process_span: Span,
    /// What is done.
    pub op: Op,
    /// The outcome that is expected.
    pub expect: Placed<Expect>,
    /// Where its `op` is written.
    pub span: Span,
}

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// `mmap`.
    Mmap(MmapStep),
    /// `munmap`.
    Munmap(RangeExpr),
    /// `mprotect`, with a key `pkey_mprotect`.
    Mprotect {
        /// Where.
        range: RangeExpr,
        /// The protection wanted.
        prot: Prot,
        /// The protection key.
        pkey: Option<i32>,
    },
    /// `mremap`.
    Mremap(MremapStep),
    /// `madvise`.
    Madvise {
        /// Where.
        range: RangeExpr,
        /// What.
        advice: Advice,
    },
    /// `mlock`, `mlock2`.
    Mlock {
        /// Where.
        range: RangeExpr,
        /// `MLOCK_ONFAULT`.
        onfault: bool,
    },
    /// `munlock`.
    Munlock(RangeExpr),
    /// `mlockall`.
    Mlockall(MlockallFlags),
    /// `munlockall`.
    Munlockall,
    /// `mseal`.
    Mseal(RangeExpr),
    /// `brk`.
    Brk(BrkTarget),
    /// `msync`.
    Msync(RangeExpr),
    /// `mincore`.
    Mincore(RangeExpr),
    /// `mbind`.
    Mbind {
        /// Where.
        range: RangeExpr,
        /// The policy.
        policy: Policy,
    },
    /// `vma_name`.
    VmaName {
        /// Where.
        range: RangeExpr,
        /// The name; `None` (an empty `label`) removes it.
        label: Option<String>,
    },
    /// `uffd_register`.
    UffdRegister {
        /// Where.
        range: RangeExpr,
        /// For what.
        mode: UffdMode,
    },
    /// `uffd_unregister`.
    UffdUnregister(RangeExpr),
    /// `uffd_writeprotect`.
    UffdWriteprotect {
        /// Where.
        range: RangeExpr,
        /// Protect, or unprotect.
        on: bool,
    },
    /// `uffd_copy`.
    UffdCopy {
        /// Where to.
        range: RangeExpr,
        /// From where.
        source: CopySource,
        /// Write-protected.
        wp: bool,
    },
    /// `uffd_continue`.
    UffdContinue {
        /// Where.
        range: RangeExpr,
        /// Write-protected.
        wp: bool,
    },
    /// `uffd_zeropage`.
    UffdZeropage(RangeExpr),
    /// `uffd_poison`.
    UffdPoison(RangeExpr),
    /// `uffd_move`.
    UffdMove {
        /// Where to.
        range: RangeExpr,
        /// From where.
        from: RangeExpr,
    },
    /// `read`, `write`, `exec`.
    Access {
        /// How.
        kind: AccessKind,
        /// Where.
        range: RangeExpr,
        /// The byte that is stored, or expected in every page.
        value: Option<u8>,
    },
    /// `fork`.
    Fork {
        /// The child's name.
        name: String,
        /// The child runs in the parent's mm.
        share: bool,
    },
    /// `exit`.
    Exit,
    /// `execve`.
    Execve {
        /// The new program's stack, if there is to be one.
        stack: Option<NewStack>,
    },
    /// `khugepaged`.
    Khugepaged {
        /// Full scans.
        passes: u32,
    },
    /// `reclaim` of a range.
    Reclaim(RangeExpr),
    /// `reclaim` of so many pages.
    ReclaimPages(u64),
    /// `clear_refs`.
    ClearRefs(u8),
    /// `truncate`.
    Truncate {
        /// The file.
        file: FileId,
        /// Its new size.
        size: Bytes,
    },
    /// `punch_hole`.
    PunchHole {
        /// The file.
        file: FileId,
        /// The first byte.
        offset: u64,
        /// How many.
        len: Bytes,
    },
    /// `inject`.
    Inject {
        /// Which allocation of the next step fails, counted from 1.
        nth: u32,
    },
    /// `repeat`.
    Repeat {
        /// How often.
        times: u64,
        /// What.
        steps: Vec<Step>,
    },
    /// `parallel`.
    Parallel {
        /// What each thread does.
        threads: Vec<Vec<Step>>,
    },
    /// `check`.
    Check(Box<Check>),
}

impl Op {
    /// Its name in scenarios.
    pub const fn name(&self) -> &'static str {
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
            Self::Access { kind, .. } => kind.name(),
            Self::Fork { .. } => "fork",
            Self::Exit => "exit",
            Self::Execve { .. } => "execve",
            Self::Khugepaged { .. } => "khugepaged",
            Self::Reclaim(_) | Self::ReclaimPages(_) => "reclaim",
            Self::ClearRefs(_) => "clear_refs",
            Self::Truncate { .. } => "truncate",
            Self::PunchHole { .. } => "punch_hole",
            Self::Inject { .. } => "inject",
            Self::Repeat { .. } => "repeat",
            Self::Parallel { .. } => "parallel",
            Self::Check(_) => "check",
        }
    }
}

/// What `mmap` takes.
#[derive(Clone, PartialEq, Debug)]
pub struct MmapStep {
    /// The name that the mapping gets.
    pub name: Option<String>,
    /// The address or hint.
    pub addr: Option<RangeExpr>,
    /// The length.
    pub len: Bytes,
    /// `PROT_*`.
    pub prot: Prot,
    /// `MAP_*`.
    pub flags: MapFlags,
    /// The file.
    pub file: Option<FileId>,
    /// The offset in bytes.
    pub offset: u64,
}

/// What `mremap` takes.
#[derive(Clone, PartialEq, Debug)]
pub struct MremapStep {
    /// The old mapping.
    pub range: RangeExpr,
    /// The length wanted.
    pub new_len: Bytes,
    /// `MREMAP_*`.
    pub flags: MremapFlags,
    /// The new address.
    pub to: Option<RangeExpr>,
    /// The name that the moved mapping gets.
    pub name: Option<String>,
}

/// Where `brk` is to move the break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BrkTarget {
    /// To an address.
    Absolute(VirtAddr),
    /// Up from where it is.
    Up(Bytes),
    /// Down from where it is.
    Down(Bytes),
}

/// Where `uffd_copy` copies from.
#[derive(Clone, PartialEq, Debug)]
pub enum CopySource {
    /// The process's memory, at the start of a range.
    Memory(RangeExpr),
    /// Pages filled with a byte.
    Value(u8),
}

/// How memory is accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `exec`.
    Exec,
}

impl AccessKind {
    /// The operation's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Exec => "exec",
        }
    }
}

/// The outcome that a step is expected to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Success with any value.
    Ok,
    /// Anything.
    Any,
    /// This error.
    Errno(Errno),
    /// This signal.
    Signal(Signal),
    /// Success with this value.
    Value(u64),
    /// Success with the address where this range starts.
    Address(RangeExpr),
    /// The access waits for a userfault.
    UffdWait,
    /// The call is restarted for ever.
    Livelock,
    /// One of these: which one depends on other threads.
    OneOf(Vec<Expect>),
}

impl Expect {
    /// The alternatives; itself if there are none.
    pub fn alternatives(&self) -> &[Self] {
        match self {
            Self::OneOf(all) => all,
            Self::Ok
            | Self::Any
            | Self::Errno(_)
            | Self::Signal(_)
            | Self::Value(_)
            | Self::Address(_)
            | Self::UffdWait
            | Self::Livelock => std::slice::from_ref(self),
        }
    }
}
