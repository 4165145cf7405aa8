//! The workloads by name.

/// What a workload measures; see [`Workload::about`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Workload {
    /// Find the VMA of a random page.
    Lookup,
    /// Split a VMA in three by mprotect, and merge it again.
    MprotectSplitMerge,
    /// Map the page after a growing VMA.
    AppendMerge,
    /// Fill holes between VMAs.
    HoleFill,
    /// Map VMAs that cannot merge.
    Link,
    /// Unmap the middle of VMAs.
    Unmap,
    /// Install guards.
    GuardInstall,
    /// First writes to pages.
    Fault,
    /// Move the break up and down.
    Brk,
    /// Merges that are considered and refused.
    MergeRefused,
    /// Fork with pages.
    Fork,
    /// Fork with VMAs.
    ForkVmas,
    /// A recorded list of calls.
    Replay,
    /// Collapse to a huge page.
    Collapse,
    /// The fuzzer's mixture.
    Mixed,
}

/// What the size of a workload is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Axis {
    /// VMAs beside which it runs.
    Vmas,
    /// Pages; no store of VMAs matters.
    Pages,
    /// It has the size it has, and the VMAs of its calls.
    Own,
}

impl Workload {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 15] = [
        Self::Lookup,
        Self::MprotectSplitMerge,
        Self::AppendMerge,
        Self::HoleFill,
        Self::Link,
        Self::Unmap,
        Self::GuardInstall,
        Self::Fault,
        Self::Brk,
        Self::MergeRefused,
        Self::Fork,
        Self::ForkVmas,
        Self::Replay,
        Self::Collapse,
        Self::Mixed,
    ];

    /// Its name on the command line and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::MprotectSplitMerge => "mprotect_split_merge",
            Self::AppendMerge => "append_merge",
            Self::HoleFill => "hole_fill",
            Self::Link => "link",
            Self::Unmap => "unmap",
            Self::GuardInstall => "guard_install",
            Self::Fault => "fault",
            Self::Brk => "brk",
            Self::MergeRefused => "merge_refused",
            Self::Fork => "fork",
            Self::ForkVmas => "fork_vmas",
            Self::Replay => "replay",
            Self::Collapse => "collapse",
            Self::Mixed => "mixed",
        }
    }

    /// The workload with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
    }

    /// What one operation is.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Lookup => "find the VMA of a random page, among three-page VMAs with gaps",
            Self::MprotectSplitMerge => {
                "mprotect of the middle page of a random VMA: 1 VMA becomes 3, or 3 become 1"
            }
            Self::AppendMerge => "mmap of the page after a growing VMA",
            Self::HoleFill => "mmap of a random hole between one-page VMAs: both neighbours merge",
            Self::Link => "mmap of a VMA that cannot merge, in ascending order",
            Self::Unmap => "munmap of the middle page of a random VMA",
            Self::GuardInstall => "MADV_GUARD_INSTALL of one page in a random VMA",
            Self::Fault => "first write to a page of an anonymous mapping",
            Self::Brk => "brk up or down by one page",
            Self::MergeRefused => {
                "mprotect that may merge with neither neighbour, reasons recorded"
            }
            Self::Fork => "fork of a process with written pages; per page",
            Self::ForkVmas => "fork of a process with untouched VMAs; per VMA",
            Self::Replay => "a call of a strace log",
            Self::Collapse => "MADV_COLLAPSE of 512 written pages",
            Self::Mixed => "a call of the fuzzer's mixture",
        }
    }

    /// What its size is counted in.
    pub const fn axis(self) -> Axis {
        match self {
            Self::Lookup
            | Self::MprotectSplitMerge
            | Self::AppendMerge
            | Self::HoleFill
            | Self::Link
            | Self::Unmap
            | Self::GuardInstall
            | Self::Brk
            | Self::MergeRefused
            | Self::ForkVmas => Axis::Vmas,
            Self::Fault | Self::Fork | Self::Collapse => Axis::Pages,
            Self::Replay | Self::Mixed => Axis::Own,
        }
    }

    /// Why it cannot run on several threads of a process, if it cannot.
    pub const fn single_threaded(self) -> Option<&'static str> {
        match self {
            Self::Brk => Some("a process has one break"),
            Self::Fork | Self::ForkVmas => Some("the whole process is forked"),
            Self::Replay | Self::Mixed => Some("its calls have an order"),
            Self::Lookup
            | Self::MprotectSplitMerge
            | Self::AppendMerge
            | Self::HoleFill
            | Self::Link
            | Self::Unmap
            | Self::GuardInstall
            | Self::Fault
            | Self::MergeRefused
            | Self::Collapse => None,
        }
    }

    /// Why there is no system call to compare it with, if there is none.
    pub const fn not_live(self) -> Option<&'static str> {
        match self {
            Self::Lookup => Some("no system call does nothing but look up a VMA"),
            Self::Replay => Some("addresses of the log belong to another program"),
            Self::Mixed => Some("its calls would destroy the process that measures them"),
            Self::MprotectSplitMerge
            | Self::AppendMerge
            | Self::HoleFill
            | Self::Link
            | Self::Unmap
            | Self::GuardInstall
            | Self::Fault
            | Self::Brk
            | Self::MergeRefused
            | Self::Fork
            | Self::ForkVmas
            | Self::Collapse => None,
        }
    }
}
