//! The operations of the language and what they take, as one table.
//!
//! The parser checks steps against it, diagnostics take their suggestions from it, and the JSON
//! Schema is made from it.

/// An operation.
#[derive(Debug)]
pub(crate) struct OpSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [FieldSpec],
}

/// A parameter of an operation.
#[derive(Debug)]
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) presence: Presence,
    pub(crate) kind: Kind,
}

/// Must a parameter be given?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// What a parameter is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Name,
    Label,
    File,
    Size,
    Address,
    Range,
    FileRange,
    BrkTarget,
    Prot,
    MapFlags,
    MremapFlags,
    MlockallFlags,
    Advice,
    Policy,
    Nodes,
    UffdMode,
    Bool,
    Byte,
    Integer,
    PageCount,
    Steps,
    Threads,
    VmaLines,
    VmaCount,
    FlagTerms,
    PageStates,
    Counters,
    MapsLines,
}

impl OpSpec {
    /// The operation with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        OPS.iter().find(|op| op.name == name)
    }

    /// What it takes, for people: `name`, `share` (optional).
    pub(crate) fn parameters(&self) -> String {
        let each = self.fields.iter().map(|field| match field.presence {
            Presence::Required => format!("`{}`", field.name),
            Presence::Optional => format!("`{}` (optional)", field.name),
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What every step may have.
pub(crate) const COMMON_FIELDS: &[&str] = &["op", "in", "expect"];

const fn required(name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec {
        name,
        presence: Presence::Required,
        kind,
    }
}

const fn optional(name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec {
        name,
        presence: Presence::Optional,
        kind,
    }
}

const fn op(name: &'static str, about: &'static str, fields: &'static [FieldSpec]) -> OpSpec {
    OpSpec {
        name,
        about,
        fields,
    }
}

const RANGE: &[FieldSpec] = &[required("range", Kind::Range)];
const ACCESS: &[FieldSpec] = &[
    required("range", Kind::Range),
    optional("value", Kind::Byte),
];

/// Every operation.
pub(crate) const OPS: &[OpSpec] = &[
    op(
        "mmap",
        "maps memory",
        &[
            optional("name", Kind::Name),
            optional("addr", Kind::Address),
            required("len", Kind::Size),
            required("prot", Kind::Prot),
            required("flags", Kind::MapFlags),
            optional("file", Kind::File),
            optional("offset", Kind::Size),
        ],
    ),
    op("munmap", "unmaps memory", RANGE),
    op("mseal", "seals mappings", RANGE),
    op("munlock", "unlocks memory", RANGE),
    op(
        "mprotect",
        "changes protection",
        &[
            required("range", Kind::Range),
            required("prot", Kind::Prot),
            optional("pkey", Kind::Integer),
        ],
    ),
    op(
        "mremap",
        "grows, shrinks or moves a mapping",
        &[
            required("range", Kind::Range),
            required("new_len", Kind::Size),
            optional("flags", Kind::MremapFlags),
            optional("to", Kind::Address),
            optional("name", Kind::Name),
        ],
    ),
    op(
        "madvise",
        "gives advice",
        &[
            required("range", Kind::Range),
            required("advice", Kind::Advice),
        ],
    ),
    op(
        "mlock",
        "locks memory",
        &[
            required("range", Kind::Range),
            optional("onfault", Kind::Bool),
        ],
    ),
    op(
        "mlockall",
        "locks the whole address space",
        &[required("flags", Kind::MlockallFlags)],
    ),
    op("munlockall", "unlocks the whole address space", &[]),
    op("brk", "moves the break", &[required("to", Kind::BrkTarget)]),
    op("msync", "writes back a mapping", RANGE),
    op("mincore", "asks which pages are in memory", RANGE),
    op(
        "mbind",
        "sets the memory policy",
        &[
            required("range", Kind::Range),
            required("policy", Kind::Policy),
            optional("nodes", Kind::Nodes),
        ],
    ),
    op(
        "vma_name",
        "names anonymous memory",
        &[
            required("range", Kind::Range),
            required("label", Kind::Label),
        ],
    ),
    op(
        "uffd_register",
        "registers a range with userfaultfd",
        &[
            required("range", Kind::Range),
            required("mode", Kind::UffdMode),
        ],
    ),
    op(
        "uffd_unregister",
        "takes a range from userfaultfd",
        &[
            required("range", Kind::Range),
            optional("mode", Kind::UffdMode),
        ],
    ),
    op(
        "uffd_writeprotect",
        "protects pages through userfaultfd, or no longer",
        &[required("range", Kind::Range), required("on", Kind::Bool)],
    ),
    op(
        "uffd_copy",
        "fills missing pages with a copy",
        &[
            required("range", Kind::Range),
            optional("from", Kind::Address),
            optional("value", Kind::Byte),
            optional("wp", Kind::Bool),
        ],
    ),
    op(
        "uffd_continue",
        "maps pages that their object has",
        &[required("range", Kind::Range), optional("wp", Kind::Bool)],
    ),
    op("uffd_zeropage", "fills missing pages with zeroes", RANGE),
    op("uffd_poison", "poisons missing pages", RANGE),
    op(
        "uffd_move",
        "moves pages into missing ones",
        &[
            required("range", Kind::Range),
            required("from", Kind::Address),
        ],
    ),
    op("read", "reads the first byte of each page", ACCESS),
    op("write", "writes the first byte of each page", ACCESS),
    op("exec", "fetches an instruction from each page", ACCESS),
    op(
        "fork",
        "makes a child process",
        &[required("name", Kind::Name), optional("share", Kind::Bool)],
    ),
    op("exit", "ends the process", &[]),
    op(
        "execve",
        "starts over with an empty address space, or one with a stack",
        &[optional("stack", Kind::Size), optional("shift", Kind::Size)],
    ),
    op(
        "khugepaged",
        "lets khugepaged scan every registered process",
        &[optional("passes", Kind::Integer)],
    ),
    op(
        "reclaim",
        "reclaims pages",
        &[
            optional("range", Kind::Range),
            optional("pages", Kind::PageCount),
        ],
    ),
    op(
        "clear_refs",
        "writes to /proc/PID/clear_refs",
        &[required("value", Kind::Byte)],
    ),
    op(
        "truncate",
        "changes the size of a file",
        &[required("file", Kind::File), required("size", Kind::Size)],
    ),
    op(
        "punch_hole",
        "frees a part of a file",
        &[
            required("file", Kind::File),
            required("range", Kind::FileRange),
        ],
    ),
    op(
        "inject",
        "lets a kernel allocation of the next step fail",
        &[required("fail_alloc", Kind::Integer)],
    ),
    op(
        "repeat",
        "runs steps several times",
        &[
            required("times", Kind::Integer),
            required("step", Kind::Steps),
        ],
    ),
    op(
        "parallel",
        "runs lists of steps on threads",
        &[required("threads", Kind::Threads)],
    ),
    op(
        "check",
        "asserts something about the state",
        &[
            optional("vmas", Kind::VmaLines),
            optional("count", Kind::VmaCount),
            optional("flags", Kind::FlagTerms),
            optional("pages", Kind::PageStates),
            optional("smaps", Kind::Counters),
            optional("maps", Kind::MapsLines),
            optional("invariants", Kind::Bool),
        ],
    ),
];

/// The keys of a scenario's top level.
pub(crate) const TOP_LEVEL: &[&str] = &[
    "title",
    "about",
    "kernel",
    "arch",
    "kernel_features",
    "limits",
    "thp",
    "mmu",
    "uffd",
    "files",
    "step",
];

/// The keys of `[limits]`.
pub(crate) const LIMITS: &[&str] = &[
    "max_map_count",
    "ram",
    "swap",
    "swap_device",
    "memlock",
    "address_space",
    "data",
    "stack",
    "mmap_min_addr",
    "stack_guard_gap",
    "privileged",
];

/// The keys of `[thp]`.
pub(crate) const THP: &[&str] = &[
    "enabled",
    "use_zero_page",
    "read_only_thp_for_fs",
    "max_ptes_none",
    "max_ptes_swap",
    "max_ptes_shared",
    "pages_to_scan",
];

/// The keys of `[mmu]`.
pub(crate) const MMU: &[&str] = &["hw_access_flag", "hw_dirty"];

/// The keys of `[uffd]`.
pub(crate) const UFFD: &[&str] = &["features"];

/// The keys of `[files.NAME]`.
pub(crate) const FILE: &[&str] = &["size", "kind", "fill"];
