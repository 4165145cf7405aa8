//! A call as JSON: the operation's name and its arguments, as numbers of the Linux interface.

use serde_json::{Map, Value, json};
use sim_core::{
    Access, Call, FileId, MmapArgs, MremapArgs, Policy, Setup, SyscallRange, UffdCopySource,
};

/// The call with the names that files and processes have.
pub(crate) fn call(call: &Call, setup: &Setup, child: Option<&str>) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("op".to_owned(), json!(call.op()));
    for (name, value) in arguments(call, setup, child) {
        fields.insert(name.to_owned(), value);
    }
    fields
}

type Fields = Vec<(&'static str, Value)>;

fn hex(value: u64) -> Value {
    json!(format!("{value:#x}"))
}

fn at(range: &SyscallRange) -> Fields {
    vec![
        ("addr", hex(range.addr.get())),
        ("len", hex(range.len.get())),
    ]
}

fn with<const N: usize>(range: &SyscallRange, more: [(&'static str, Value); N]) -> Fields {
    let mut fields = at(range);
    fields.extend(more);
    fields
}

fn file_name(file: FileId, setup: &Setup) -> Value {
    json!(setup.files.get(file.0 as usize).map(|spec| &spec.name))
}

fn arguments(call: &Call, setup: &Setup, child: Option<&str>) -> Fields {
    match call {
        Call::Mmap(args) => mmap(args, setup),
        Call::Mremap(args) => mremap(args),
        Call::Mprotect { range, prot, pkey } => {
            with(range, [("prot", json!(prot.bits())), ("pkey", json!(pkey))])
        }
        Call::Madvise { range, advice } => with(range, [("advice", json!(advice.number()))]),
        Call::Mlock { range, onfault } => with(range, [("onfault", json!(onfault))]),
        Call::Mlockall(flags) => vec![("flags", json!(flags.bits()))],
        Call::Brk(to) => vec![("addr", hex(to.get()))],
        Call::Mbind { range, policy } => {
            let (mode, nodes) = self::policy(*policy);
            with(range, [("mode", json!(mode)), ("nodes", hex(nodes))])
        }
        Call::VmaName { range, label } => with(range, [("label", json!(label))]),
        Call::UffdRegister { range, mode } => with(range, [("mode", json!(mode.bits()))]),
        Call::UffdWriteprotect { range, on } => with(range, [("on", json!(on))]),
        Call::UffdCopy { range, source, wp } => {
            let source = match source {
                UffdCopySource::Memory(from) => ("from", hex(from.get())),
                UffdCopySource::Value(value) => ("value", json!(value)),
            };
            with(range, [source, ("wp", json!(wp))])
        }
        Call::UffdContinue { range, wp } => with(range, [("wp", json!(wp))]),
        Call::UffdMove { range, from } => with(range, [("from", hex(from.get()))]),
        Call::Access { range, access } => match access {
            Access::Write(value) => with(range, [("value", json!(value))]),
            Access::Read | Access::Exec => at(range),
        },
        Call::Fork { share, .. } => vec![("child", json!(child)), ("share", json!(share))],
        Call::Khugepaged { passes } => vec![("passes", json!(passes))],
        Call::ReclaimPages(pages) => vec![("pages", json!(pages))],
        Call::ClearRefs(value) => vec![("value", json!(value))],
        Call::Truncate { file, size } => {
            vec![("file", file_name(*file, setup)), ("size", hex(size.get()))]
        }
        Call::PunchHole { file, offset, len } => vec![
            ("file", file_name(*file, setup)),
            ("offset", hex(*offset)),
            ("len", hex(len.get())),
        ],
        Call::InjectAllocFailure { nth } => vec![("nth", json!(nth))],
        Call::Munmap(range)
        | Call::Munlock(range)
        | Call::Mseal(range)
        | Call::Msync(range)
        | Call::Mincore(range)
        | Call::UffdUnregister(range)
        | Call::UffdZeropage(range)
        | Call::UffdPoison(range)
        | Call::Reclaim(range) => at(range),
        Call::Execve { stack: Some(stack) } => vec![
            ("stack", hex(stack.strings.get())),
            ("shift", hex(stack.shift.get())),
        ],
        Call::Munlockall | Call::Exit | Call::Execve { stack: None } => Vec::new(),
    }
}

fn mmap(args: &MmapArgs, setup: &Setup) -> Fields {
    vec![
        ("addr", hex(args.addr.get())),
        ("len", hex(args.len.get())),
        ("prot", json!(args.prot.bits())),
        ("flags", json!(args.flags.bits())),
        (
            "file",
            args.file.map_or(Value::Null, |file| file_name(file, setup)),
        ),
        ("offset", hex(args.offset)),
    ]
}

fn mremap(args: &MremapArgs) -> Fields {
    vec![
        ("addr", hex(args.addr.get())),
        ("old_len", hex(args.old_len.get())),
        ("new_len", hex(args.new_len.get())),
        ("flags", json!(args.flags.bits())),
        ("new_addr", hex(args.new_addr.get())),
    ]
}

/// The number of a policy (`MPOL_*`) and its nodes.
const fn policy(policy: Policy) -> (u32, u64) {
    match policy {
        Policy::Default => (0, 0),
        Policy::Preferred(nodes) => (1, nodes),
        Policy::Bind(nodes) => (2, nodes),
        Policy::Interleave(nodes) => (3, nodes),
        Policy::Local => (4, 0),
        Policy::PreferredMany(nodes) => (5, nodes),
    }
}
