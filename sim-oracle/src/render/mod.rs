//! A list of calls as a scenario file.

mod flags;

use std::fmt::Write as _;

use sim_core::{
    Access, Call, FileId, FileKind, MmapArgs, MremapArgs, NewStack, Outcome, PAGE_SIZE, Pid,
    Policy, Setup, SyscallRange, ThpEnabled, UffdCopySource, UffdFeatures,
};

/// The text of a scenario that makes these calls, expecting these outcomes.
pub fn scenario(title: &str, setup: &Setup, steps: &[(Pid, Call, Option<Outcome>)]) -> String {
    let mut text = format!("title  = {title:?}\nkernel = {:?}\n", setup.profile.name());
    header(&mut text, setup);
    for (pid, call, outcome) in steps {
        text.push_str("\n[[step]]\n");
        step(&mut text, setup, *pid, call);
        match outcome {
            None | Some(Outcome::Value(_)) => {}
            Some(other) => line(&mut text, "expect", &quoted(other)),
        }
    }
    text
}

/// One step as the inside of an inline table.
pub fn inline_step(setup: &Setup, pid: Pid, call: &Call) -> String {
    let mut text = String::new();
    step(&mut text, setup, pid, call);
    let fields = text.lines().map(|line| match line.split_once(" = ") {
        Some((key, value)) => format!("{} = {value}", key.trim_end()),
        None => line.to_owned(),
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key:<6} = {value}");
}

fn quoted(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

fn process_name(pid: Pid) -> String {
    if pid == Pid::MAIN {
        "main".to_owned()
    } else {
        format!("p{pid}")
    }
}

fn header(text: &mut String, setup: &Setup) {
    let usual = Setup::new(setup.profile);
    limits(text, setup, &usual);
    if setup.thp != usual.thp {
        let _ = writeln!(text, "\n[thp]");
        let mode = ThpEnabled::NAMES
            .iter()
            .find(|(_, mode)| *mode == setup.thp.enabled);
        line(text, "enabled", &quoted(mode.map_or("madvise", |m| m.0)));
        line(text, "max_ptes_none", &setup.thp.max_ptes_none.to_string());
    }
    if setup.uffd != usual.uffd {
        let names: Vec<_> = UffdFeatures::NAMES
            .iter()
            .filter(|(_, flag)| setup.uffd.contains(*flag))
            .map(|(name, _)| quoted(name))
            .collect();
        let _ = writeln!(text, "\n[uffd]\nfeatures = [{}]", names.join(", "));
    }
    for file in &setup.files {
        let kind = FileKind::NAMES.iter().find(|(_, kind)| *kind == file.kind);
        let _ = writeln!(text, "\n[files.{}]", file.name);
        line(text, "size", &file.size.get().to_string());
        line(text, "kind", &quoted(kind.map_or("regular", |k| k.0)));
        if let Some(fill) = file.fill {
            line(text, "fill", &fill.to_string());
        }
    }
}

fn limits(text: &mut String, setup: &Setup, usual: &Setup) {
    if setup.limits == usual.limits {
        return;
    }
    let (now, before) = (&setup.limits, &usual.limits);
    let _ = writeln!(text, "\n[limits]");
    if now.max_map_count != before.max_map_count {
        line(text, "max_map_count", &now.max_map_count.to_string());
    }
    for (name, value, old) in [
        ("memlock", now.memlock, before.memlock),
        ("address_space", now.address_space, before.address_space),
        ("data", now.data, before.data),
        ("stack", now.stack, before.stack),
        ("ram", Some(now.ram), Some(before.ram)),
        ("swap", Some(now.swap), Some(before.swap)),
    ] {
        if value != old {
            let value = value.map_or_else(|| quoted("unlimited"), |bytes| bytes.get().to_string());
            line(text, name, &value);
        }
    }
}

fn range(range: &SyscallRange) -> String {
    let (addr, len) = (range.addr.get(), range.len.get());
    if len != 0 && len.is_multiple_of(PAGE_SIZE) && len < 1 << 46 {
        format!("\"{addr:#x}+{}p\"", len / PAGE_SIZE)
    } else {
        format!("\"{addr:#x}+{len:#x}\"")
    }
}

fn size(bytes: u64) -> String {
    if bytes != 0 && bytes.is_multiple_of(PAGE_SIZE) {
        format!("\"{}p\"", bytes / PAGE_SIZE)
    } else {
        format!("\"{bytes:#x}\"")
    }
}

fn file_name(setup: &Setup, file: FileId) -> String {
    let name = setup.files.get(file.0 as usize).map(|spec| &spec.name);
    quoted(name.map_or("?", String::as_str))
}

fn new_stack(text: &mut String, stack: Option<NewStack>) {
    if let Some(stack) = stack {
        line(text, "stack", &stack.strings.get().to_string());
        line(text, "shift", &stack.shift.get().to_string());
    }
}

fn step(text: &mut String, setup: &Setup, pid: Pid, call: &Call) {
    line(text, "op", &quoted(call.op()));
    if pid != Pid::MAIN {
        line(text, "in", &quoted(process_name(pid)));
    }
    match call {
        Call::Mmap(args) => mmap(text, setup, args),
        Call::Mremap(args) => mremap(text, args),
        Call::Mprotect {
            range: at,
            prot,
            pkey,
        } => {
            line(text, "range", &range(at));
            line(text, "prot", &flags::prot(*prot));
            if let Some(key) = pkey {
                line(text, "pkey", &key.to_string());
            }
        }
        Call::Madvise { range: at, advice } => {
            line(text, "range", &range(at));
            let name = advice
                .name()
                .map_or_else(|| advice.number().to_string(), quoted);
            line(text, "advice", &name);
        }
        Call::Mlock { range: at, onfault } => {
            line(text, "range", &range(at));
            if *onfault {
                line(text, "onfault", "true");
            }
        }
        Call::Munmap(at)
        | Call::Munlock(at)
        | Call::Mseal(at)
        | Call::Msync(at)
        | Call::Mincore(at)
        | Call::UffdUnregister(at)
        | Call::UffdZeropage(at)
        | Call::UffdPoison(at)
        | Call::Reclaim(at) => line(text, "range", &range(at)),
        Call::Mlockall(flags) => line(text, "flags", &flags::mlockall(*flags)),
        Call::Brk(to) => line(text, "to", &quoted(to)),
        Call::Mbind { range: at, policy } => {
            line(text, "range", &range(at));
            mbind(text, *policy);
        }
        Call::VmaName { range: at, label } => {
            line(text, "range", &range(at));
            line(
                text,
                "label",
                &format!("{:?}", label.as_deref().unwrap_or("")),
            );
        }
        Call::UffdRegister { range: at, mode } => {
            line(text, "range", &range(at));
            line(text, "mode", &flags::uffd(*mode));
        }
        Call::UffdWriteprotect { range: at, on } => {
            line(text, "range", &range(at));
            line(text, "on", &on.to_string());
        }
        Call::UffdCopy {
            range: at,
            source,
            wp,
        } => uffd_copy(text, at, *source, *wp),
        Call::UffdContinue { range: at, wp } => uffd_continue(text, at, *wp),
        Call::UffdMove { range: at, from } => {
            line(text, "range", &range(at));
            line(text, "from", &quoted(from));
        }
        Call::Access { range: at, access } => {
            line(text, "range", &range(at));
            if let Access::Write(Some(value)) = access {
                line(text, "value", &value.to_string());
            }
        }
        Call::Fork { child, share } => {
            line(text, "name", &quoted(process_name(*child)));
            if *share {
                line(text, "share", "true");
            }
        }
        Call::Munlockall | Call::Exit => {}
        Call::Execve { stack } => new_stack(text, *stack),
        Call::Khugepaged { passes } => line(text, "passes", &passes.to_string()),
        Call::ReclaimPages(pages) => line(text, "pages", &pages.to_string()),
        Call::ClearRefs(value) => line(text, "value", &value.to_string()),
        Call::Truncate { file, size: to } => {
            line(text, "file", &file_name(setup, *file));
            line(text, "size", &to.get().to_string());
        }
        Call::PunchHole { file, offset, len } => {
            line(text, "file", &file_name(setup, *file));
            line(text, "range", &format!("\"{offset:#x}+{:#x}\"", len.get()));
        }
        Call::InjectAllocFailure { nth } => line(text, "fail_alloc", &nth.to_string()),
    }
}

fn uffd_copy(text: &mut String, at: &SyscallRange, source: UffdCopySource, wp: bool) {
    line(text, "range", &range(at));
    match source {
        UffdCopySource::Memory(from) => line(text, "from", &quoted(from)),
        UffdCopySource::Value(value) => line(text, "value", &value.to_string()),
    }
    protected(text, wp);
}

fn uffd_continue(text: &mut String, at: &SyscallRange, wp: bool) {
    line(text, "range", &range(at));
    protected(text, wp);
}

fn protected(text: &mut String, wp: bool) {
    if wp {
        line(text, "wp", "true");
    }
}

fn mmap(text: &mut String, setup: &Setup, args: &MmapArgs) {
    if args.addr.get() != 0 {
        line(text, "addr", &quoted(args.addr));
    }
    line(text, "len", &size(args.len.get()));
    line(text, "prot", &flags::prot(args.prot));
    line(text, "flags", &flags::mmap(args.flags));
    if let Some(file) = args.file {
        line(text, "file", &file_name(setup, file));
    }
    if args.offset != 0 {
        line(text, "offset", &size(args.offset));
    }
}

fn mremap(text: &mut String, args: &MremapArgs) {
    line(
        text,
        "range",
        &range(&SyscallRange::new(args.addr, args.old_len)),
    );
    line(text, "new_len", &size(args.new_len.get()));
    line(text, "flags", &flags::mremap(args.flags));
    if args.new_addr.get() != 0 {
        line(text, "to", &quoted(args.new_addr));
    }
}

fn mbind(text: &mut String, policy: Policy) {
    let (name, nodes) = match policy {
        Policy::Default => ("default", None),
        Policy::Preferred(nodes) => ("preferred", Some(nodes)),
        Policy::Bind(nodes) => ("bind", Some(nodes)),
        Policy::Interleave(nodes) => ("interleave", Some(nodes)),
        Policy::Local => ("local", None),
        Policy::PreferredMany(nodes) => ("preferred_many", Some(nodes)),
    };
    line(text, "policy", &quoted(name));
    if let Some(nodes) = nodes {
        let list: Vec<_> = (0..64)
            .filter(|node| nodes >> node & 1 == 1)
            .map(|node| node.to_string())
            .collect();
        line(text, "nodes", &format!("[{}]", list.join(", ")));
    }
}
