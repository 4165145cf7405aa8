//! A scenario as typed values: what the parser makes and the executor walks.

use std::sync::Arc;

use sim_core::{
    Advice, Arch, Bytes, CopyOnFork, Errno, Features, FileId, MapFlags, MlockallFlags, MremapFlags,
    PageOffset, Policy, Profile, Prot, Setup, Signal, SyscallRange, UffdMode, VirtAddr, VmFlags,
};

use crate::diagnostics::Diagnostics;
use crate::source::{Placed, Source, Span};

/// The name of the process that a run starts with.
pub const MAIN: &str = "main";

/// A scenario without errors.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// `title`; the file's name if it has none.
    pub title: String,
    /// `about`.
    pub about: Option<String>,
    /// What the back end starts from.
    pub setup: Setup,
    /// The switches of `[kernel_features]`, already applied to [`setup`](Self::setup).
    pub switches: Vec<FeatureSwitch>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The text it was read from.
    pub source: Arc<Source>,
}

/// What the command line says instead of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// `--kernel`: the profile; the file's switches are applied on top of it.
    pub kernel: Option<Profile>,
    /// `--arch`.
    pub arch: Option<Arch>,
}

impl Scenario {
    /// Reads a scenario from its text. `name` is what diagnostics call it: its path.
    ///
    /// # Errors
    /// Everything that is wrong with it, all at once.
    pub fn parse(name: &str, text: &str, overrides: Overrides) -> Result<Self, Diagnostics> {
        crate::parse::scenario(name, text, overrides)
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or everything that is wrong with its content.
    pub fn read(path: &std::path::Path, overrides: Overrides) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| Diagnostics::of_file(&name, format!("cannot read it: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Diagnostics::of_file(&name, format!("it is not UTF-8 text: byte {at} is wrong"))
        })?;
        Self::parse(&name, &text, overrides)
    }

    /// The same scenario on another kernel: its profile's features, then the file's switches.
    #[must_use]
    pub fn with_kernel(mut self, profile: Profile) -> Self {
        self.setup.profile = profile;
        self.setup.features = profile.features();
        for switch in &self.switches {
            switch.apply(&mut self.setup.features);
        }
        self
    }

    /// The same scenario with these features, e.g. those probed from a running kernel, and the
    /// file's switches on top.
    #[must_use]
    pub fn with_features(mut self, features: Features) -> Self {
        self.setup.features = features;
        for switch in &self.switches {
            switch.apply(&mut self.setup.features);
        }
        self
    }

    /// The name of a file of the scenario.
    pub fn file_name(&self, file: FileId) -> &str {
        self.setup
            .files
            .get(file.0 as usize)
            .map_or("?", |spec| &spec.name)
    }
}

/// A switch of `[kernel_features]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureSwitch {
    /// A feature that is on or off.
    Bool {
        /// Its name.
        name: &'static str,
        /// On or off.
        on: bool,
    },
    /// `copy_on_fork`.
    CopyOnFork(CopyOnFork),
}

impl FeatureSwitch {
    /// Sets the feature.
    pub fn apply(self, features: &mut Features) {
        match self {
            Self::Bool { name, on } => {
                if let Some(field) = bool_feature(features, name) {
                    *field = on;
                }
            }
            Self::CopyOnFork(variant) => features.copy_on_fork = variant,
        }
    }
}

macro_rules! bool_features {
    ($($name:ident)+) => {
        /// The features that are on or off, by name.
        pub(crate) const BOOL_FEATURES: &[&str] = &[$(stringify!($name),)+];

        fn bool_feature<'f>(features: &'f mut Features, name: &str) -> Option<&'f mut bool> {
            $(if name == stringify!($name) {
                return Some(&mut features.$name);
            })+
            None
        }
    };
}

bool_features! {
    merge_unfaulted_target multi_vma_mremap maybe_guard sticky_flags softdirty_sticky
    modify_keeps_sticky atomic_flags guard_vma_lock collapse_checks_guard mremap_source_anon_vma
    uffd_copy_keeps_guard
}

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
    Execve,
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
            Self::UffdZeropage(_) => "uffd_zeropage",
            Self::UffdPoison(_) => "uffd_poison",
            Self::UffdMove { .. } => "uffd_move",
            Self::Access { kind, .. } => kind.name(),
            Self::Fork { .. } => "fork",
            Self::Exit => "exit",
            Self::Execve => "execve",
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

/// A range as it is written; where a name is, known only when the step runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeExpr {
    /// What it says.
    pub kind: RangeKind,
    /// Where it is written.
    pub span: Span,
}

/// The forms of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RangeKind {
    /// Addresses.
    Absolute(SyscallRange),
    /// Pages of a mapping that has a name.
    Named {
        /// The name.
        name: String,
        /// Which of its pages.
        pages: PageSelection,
    },
}

/// Which pages of a named mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSelection {
    /// `buf`.
    All,
    /// `buf[3]`.
    One(PageOffset),
    /// `buf[4..]`.
    From(PageOffset),
    /// `buf[..4]` and `buf[2..4]`.
    Between(PageOffset, PageOffset),
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
}

/// What a `check` asserts; an empty one holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Check {
    /// VMAs that must exist exactly so.
    pub vmas: Vec<Placed<VmaLine>>,
    /// How many VMAs the process has.
    pub count: Option<Placed<u64>>,
    /// How many VMAs there are in a range.
    pub counts: Vec<Placed<(RangeExpr, u64)>>,
    /// Flags of every VMA of a range.
    pub flags: Vec<Placed<(RangeExpr, FlagTerms)>>,
    /// States of every page of a range.
    pub pages: Vec<Placed<(RangeExpr, PagePattern)>>,
    /// Counters of the VMAs of a range.
    pub smaps: Vec<Placed<(RangeExpr, CounterTerm)>>,
    /// The lines of maps, all of them.
    pub maps: Option<Placed<Vec<Placed<MapsLine>>>>,
    /// The back end's invariants hold.
    pub invariants: bool,
}

/// A line of `vmas`: what is not said may be anything.
#[derive(Clone, PartialEq, Debug)]
pub struct VmaLine {
    /// Where it starts, and how long it is unless `len` says so.
    pub at: RangeExpr,
    /// Its length.
    pub len: Option<Bytes>,
    /// Its permissions, as in maps.
    pub perms: Option<[u8; 4]>,
    /// Its file.
    pub file: FilePattern,
    /// Its offset in bytes.
    pub offset: Option<u64>,
    /// Its anonymous name; an empty one: it has none.
    pub label: Option<String>,
    /// Whether it has an `anon_vma`.
    pub anon_vma: Option<bool>,
    /// Its flags.
    pub flags: FlagTerms,
}

/// What a VMA's file must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilePattern {
    /// Anything.
    Any,
    /// None: private anonymous memory.
    None,
    /// The one with this name.
    Named(String),
}

/// What a VMA's flags must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlagTerms {
    /// Exactly these.
    pub exactly: Option<VmFlags>,
    /// These are set.
    pub set: VmFlags,
    /// These are not.
    pub clear: VmFlags,
}

/// What a page must be: one of these.
pub type PagePattern = Vec<PageTerm>;

/// A page state with qualifiers; what is not said may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageTerm {
    /// The state.
    pub kind: PageKind,
    /// Mapped exactly once.
    pub exclusive: Option<bool>,
    /// A page of a file or of shared memory.
    pub file: Option<bool>,
    /// Mapped by a PMD.
    pub huge: Option<bool>,
    /// Write-protected by userfaultfd.
    pub uffd_wp: Option<bool>,
    /// Soft-dirty.
    pub soft_dirty: Option<bool>,
}

/// The states of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// No entry of any kind.
    None,
    /// Mapped.
    Present,
    /// Swapped out.
    Swap,
    /// A guard marker.
    Guard,
    /// A poison marker.
    Poison,
    /// A userfaultfd write-protection marker.
    Marker,
    /// Being migrated.
    Migration,
}

impl PageKind {
    /// Every state with its name in scenarios.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("present", Self::Present),
        ("swap", Self::Swap),
        ("guard", Self::Guard),
        ("poison", Self::Poison),
        ("marker", Self::Marker),
        ("migration", Self::Migration),
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Present => "present",
            Self::Swap => "swap",
            Self::Guard => "guard",
            Self::Poison => "poison",
            Self::Marker => "marker",
            Self::Migration => "migration",
        }
    }
}

/// A counter of smaps and its value in kB, summed over the VMAs of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterTerm {
    /// Its name in smaps.
    pub counter: &'static str,
    /// Its value in kB.
    pub value: u64,
}

/// A line of `/proc/PID/maps`; device and inode are not compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapsLine {
    /// The first address.
    pub start: VirtAddr,
    /// The address after the last one.
    pub end: VirtAddr,
    /// The permissions.
    pub perms: [u8; 4],
    /// The offset in bytes.
    pub offset: u64,
    /// The last column: the file's name or the anonymous name; empty for neither.
    pub name: String,
}
