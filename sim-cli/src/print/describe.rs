//! The arguments of a step in a few words.

use sim_core::{Bytes, MapFlags, PAGE_SIZE, Policy, Prot, SyscallRange, UffdMode, VirtAddr};
use sim_scenario::Scenario;
use sim_scenario::scenario::{
    BrkTarget, Check, CopySource, MmapStep, MremapStep, Op, PageSelection, RangeExpr, RangeKind,
};

/// What a step is given, without its name.
pub(crate) fn arguments(op: &Op, scenario: &Scenario) -> String {
    match op {
        Op::Mmap(step) => mmap(step, scenario),
        Op::Mprotect { range, prot, pkey } => {
            let key = pkey.map_or_else(String::new, |key| format!(" pkey {key}"));
            format!("{} {}{key}", self::range(range), protection(*prot))
        }
        Op::Mremap(step) => mremap(step),
        Op::Madvise { range, advice } => match advice.name() {
            Some(name) => format!("{} {name}", self::range(range)),
            None => format!("{} {}", self::range(range), advice.number()),
        },
        Op::Mlock { range, onfault } => with_word(range, *onfault, "onfault"),
        Op::Mlockall(flags) => names(flags.iter_names().map(|(name, _)| name)),
        Op::Brk(BrkTarget::Absolute(to)) => address(*to),
        Op::Brk(BrkTarget::Up(by)) => format!("+{}", size(*by)),
        Op::Brk(BrkTarget::Down(by)) => format!("-{}", size(*by)),
        Op::Mbind { range, policy } => format!("{} {}", self::range(range), policy_name(*policy)),
        Op::VmaName { range, label } => match label {
            Some(label) => format!("{} \"{label}\"", self::range(range)),
            None => format!("{} none", self::range(range)),
        },
        Op::UffdRegister { range, mode } => format!("{} {}", self::range(range), modes(*mode)),
        Op::UffdWriteprotect { range, on } => {
            format!("{} {}", self::range(range), if *on { "on" } else { "off" })
        }
        Op::UffdCopy { range, source, wp } => {
            let source = match source {
                CopySource::Memory(from) => format!("from {}", self::range(from)),
                CopySource::Value(byte) => format!("of {byte:#04x}"),
            };
            format!("{} {source}{}", self::range(range), protected(*wp))
        }
        Op::UffdContinue { range, wp } => format!("{}{}", self::range(range), protected(*wp)),
        Op::UffdMove { range, from } => {
            format!("{} from {}", self::range(range), self::range(from))
        }
        Op::Access { range, value, .. } => match value {
            Some(byte) => format!("{} {byte:#04x}", self::range(range)),
            None => self::range(range),
        },
        Op::Fork { name, share } => format!("{name}{}", if *share { " share" } else { "" }),
        Op::Khugepaged { passes } => {
            format!("{passes} pass{}", if *passes == 1 { "" } else { "es" })
        }
        Op::ReclaimPages(pages) => format!("{pages} pages"),
        Op::ClearRefs(value) => value.to_string(),
        Op::Truncate { file, size } => {
            format!("{} to {}", scenario.file_name(*file), self::size(*size))
        }
        Op::PunchHole { file, offset, len } => format!(
            "{}+{} {}",
            scenario.file_name(*file),
            size(Bytes(*offset)),
            size(*len)
        ),
        Op::Inject { nth } => format!("allocation {nth} of the next step fails"),
        Op::Repeat { times, .. } => format!("{times} times"),
        Op::Parallel { threads } => format!("{} threads", threads.len()),
        Op::Check(check) => subjects(check),
        Op::Munmap(range)
        | Op::Munlock(range)
        | Op::Mseal(range)
        | Op::Msync(range)
        | Op::Mincore(range)
        | Op::UffdUnregister(range)
        | Op::UffdZeropage(range)
        | Op::UffdPoison(range)
        | Op::Reclaim(range) => self::range(range),
        Op::Execve { stack: Some(stack) } => format!("with {} on the stack", size(stack.strings)),
        Op::Munlockall | Op::Exit | Op::Execve { stack: None } => String::new(),
    }
}

fn mmap(step: &MmapStep, scenario: &Scenario) -> String {
    let mut words = Vec::new();
    words.extend(step.name.clone());
    words.extend(step.addr.as_ref().map(|addr| format!("at {}", start(addr))));
    words.push(size(step.len));
    words.push(protection(step.prot));
    words.push(mapping(step.flags));
    if let Some(file) = step.file {
        let name = scenario.file_name(file);
        words.push(match step.offset {
            0 => name.to_owned(),
            offset => format!("{name}+{}", size(Bytes(offset))),
        });
    }
    words.join(" ")
}

fn mremap(step: &MremapStep) -> String {
    let mut words = vec![range(&step.range), "→".to_owned(), size(step.new_len)];
    let flags = names(step.flags.iter_names().map(|(name, _)| name));
    if !flags.is_empty() {
        words.push(flags);
    }
    words.extend(step.to.as_ref().map(|to| format!("to {}", start(to))));
    words.extend(step.name.as_ref().map(|name| format!("as {name}")));
    words.join(" ")
}

fn with_word(range: &RangeExpr, on: bool, word: &str) -> String {
    let range = self::range(range);
    if on { format!("{range} {word}") } else { range }
}

/// A range as scenarios write it.
fn range(range: &RangeExpr) -> String {
    match &range.kind {
        RangeKind::Absolute(SyscallRange { addr, len }) => {
            format!("{}+{}", address(*addr), size(*len))
        }
        RangeKind::Named { name, pages } => match pages {
            PageSelection::All => name.clone(),
            PageSelection::One(page) => format!("{name}[{}]", page.get()),
            PageSelection::From(page) => format!("{name}[{}..]", page.get()),
            PageSelection::Between(from, to) => format!("{name}[{}..{}]", from.get(), to.get()),
        },
    }
}

/// Only where a range starts.
fn start(range: &RangeExpr) -> String {
    match &range.kind {
        RangeKind::Absolute(absolute) => address(absolute.addr),
        RangeKind::Named { .. } => self::range(range),
    }
}

fn address(addr: VirtAddr) -> String {
    format!("{addr:#x}")
}

/// Pages where it is whole pages, otherwise bytes.
fn size(bytes: Bytes) -> String {
    let bytes = bytes.get();
    let units = [(1 << 40, "T", 1), (1 << 30, "G", 1), (2 << 20, "M", 2)];
    for (unit, name, factor) in units {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit * factor);
        }
    }
    if bytes > 0 && bytes.is_multiple_of(PAGE_SIZE) {
        format!("{}p", bytes / PAGE_SIZE)
    } else {
        format!("{bytes}")
    }
}

fn protection(prot: Prot) -> String {
    let letter = |flag, letter| if prot.contains(flag) { letter } else { '-' };
    [
        letter(Prot::READ, 'r'),
        letter(Prot::WRITE, 'w'),
        letter(Prot::EXEC, 'x'),
    ]
    .iter()
    .collect()
}

fn mapping(flags: MapFlags) -> String {
    let kind = match flags & MapFlags::TYPE {
        MapFlags::SHARED => "shared",
        MapFlags::PRIVATE => "private",
        MapFlags::SHARED_VALIDATE => "shared_validate",
        MapFlags::DROPPABLE => "droppable",
        _ => "no type",
    };
    let rest = flags & !MapFlags::TYPE;
    let rest = names(rest.iter_names().map(|(name, _)| name));
    if rest.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} {rest}")
    }
}

const fn protected(wp: bool) -> &'static str {
    if wp { " wp" } else { "" }
}

fn modes(mode: UffdMode) -> String {
    names(mode.iter_names().map(|(name, _)| name))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| match name {
            "ANONYMOUS" => "anon".to_owned(),
            "LOW_32BIT" => "32bit".to_owned(),
            name => name.to_lowercase(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A memory policy with its nodes.
pub(crate) fn policy_name(policy: Policy) -> String {
    match policy {
        Policy::Default => "default".to_owned(),
        Policy::Local => "local".to_owned(),
        Policy::Preferred(nodes) => format!("preferred {nodes:#x}"),
        Policy::Bind(nodes) => format!("bind {nodes:#x}"),
        Policy::Interleave(nodes) => format!("interleave {nodes:#x}"),
        Policy::PreferredMany(nodes) => format!("preferred_many {nodes:#x}"),
    }
}

/// What a check is about.
fn subjects(check: &Check) -> String {
    let counted = [
        ("vmas", check.vmas.len()),
        (
            "count",
            usize::from(check.count.is_some()) + check.counts.len(),
        ),
        ("flags", check.flags.len()),
        ("pages", check.pages.len()),
        ("smaps", check.smaps.len()),
        ("maps", usize::from(check.maps.is_some())),
        ("invariants", usize::from(check.invariants)),
    ];
    let subjects: Vec<_> = counted
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, _)| *name)
        .collect();
    subjects.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            (0, "0"),
            (100, "100"),
            (4096, "1p"),
            (1 << 20, "256p"),
            (2 << 20, "2M"),
            (3 << 20, "768p"),
            (1 << 30, "1G"),
            (5 << 40, "5T"),
        ];
        for (bytes, want) in cases {
            assert_eq!(size(Bytes(bytes)), want);
        }
    }

    #[test]
    fn mapping_flags() {
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        assert_eq!(mapping(flags), "private fixed anon");
        assert_eq!(mapping(MapFlags::empty()), "no type");
    }
}
