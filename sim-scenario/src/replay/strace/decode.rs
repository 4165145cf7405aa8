//! What a call of the log means: its name and arguments become an [`Action`].

use sim_core::{
    Advice, Bytes, Call, Errno, MapFlags, MlockallFlags, MmapArgs, MremapArgs, MremapFlags, Policy,
    Prot, SyscallRange, VirtAddr,
};

use super::args::{Args, flags, number, path, quoted};
use super::files::{Files, Mapped};
use super::line::RawCall;
use super::{Action, Logged, Spawn, names};

type Decoded = Result<Option<Action>, &'static str>;

/// What the result column says.
pub(super) fn result(text: &str) -> Result<Logged, &'static str> {
    if text.starts_with('?') {
        return Ok(Logged::Unknown);
    }
    if let Some(error) = text.strip_prefix("-1 ") {
        let name = error.split(' ').next().unwrap_or(error);
        return Ok(name
            .parse::<Errno>()
            .map_or(Logged::OtherError, Logged::Errno));
    }
    number(text)
        .map(Logged::Value)
        .ok_or("a result: a number, `-1 ENAME (…)` or `?`")
}

/// The action of a call, or `None` for a call that mm has no part in.
pub(super) fn action(task: u32, call: RawCall<'_>, logged: Logged, files: &mut Files) -> Decoded {
    let args = Args::new(call.args);
    match call.name {
        "mmap" | "mmap2" => mmap(args, task, logged, files),
        "munmap" => simple(args, Call::Munmap),
        "brk" => brk(args),
        "mprotect" | "pkey_mprotect" => mprotect(args),
        "madvise" => madvise(args),
        "mremap" => mremap(args),
        "mlock" => mlock(args, false),
        "mlock2" => mlock(args, true),
        "munlock" => simple(args, Call::Munlock),
        "mlockall" => mlockall(args),
        "munlockall" => Ok(Some(Action::Call(Call::Munlockall))),
        "msync" => simple(args, Call::Msync),
        "mincore" => simple(args, Call::Mincore),
        "mseal" | "syscall_0x1ce" => simple(args, Call::Mseal),
        "mbind" => mbind(args),
        "prctl" => prctl(args),
        "fork" => Ok(Some(Action::Spawn(Spawn::Copy))),
        "vfork" => Ok(Some(Action::Spawn(Spawn::Share))),
        "clone" | "clone3" => Ok(Some(Action::Spawn(spawn(call.args)))),
        "execve" | "execveat" => Ok(matches!(logged, Logged::Value(_)).then_some(Action::Execve)),
        "open" | "openat" | "openat2" | "creat" | "memfd_create" | "close" => {
            descriptor(task, call, logged, files);
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn range(args: &mut Args<'_>) -> Result<SyscallRange, &'static str> {
    let addr = VirtAddr::new(args.number()?);
    Ok(SyscallRange::new(addr, Bytes(args.number()?)))
}

fn simple(mut args: Args<'_>, call: fn(SyscallRange) -> Call) -> Decoded {
    Ok(Some(Action::Call(call(range(&mut args)?))))
}

fn brk(mut args: Args<'_>) -> Decoded {
    let to = VirtAddr::new(args.number()?);
    Ok(Some(Action::Call(Call::Brk(to))))
}

fn mmap(mut args: Args<'_>, task: u32, logged: Logged, files: &mut Files) -> Decoded {
    let SyscallRange { addr, len } = range(&mut args)?;
    let prot = Prot::from_bits_retain(args.flags(names::PROT)? as u32);
    let flags = MapFlags::from_bits_retain(args.flags(names::MAP)? as u32);
    let descriptor = args.next().ok_or("a descriptor")?;
    let offset = args.number()?;
    let no_file = flags.contains(MapFlags::ANONYMOUS) || logged == Logged::Errno(Errno::EBADF);
    let file = if no_file {
        None
    } else {
        Some(files.mapped(Mapped {
            task,
            descriptor: number(descriptor).ok_or("a descriptor")?,
            path: path(descriptor),
            offset,
            len: len.get(),
            fixed: flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE),
        }))
    };
    Ok(Some(Action::Call(Call::Mmap(MmapArgs {
        addr,
        len,
        prot,
        flags,
        file,
        offset,
    }))))
}

fn mprotect(mut args: Args<'_>) -> Decoded {
    let range = range(&mut args)?;
    let prot = Prot::from_bits_retain(args.flags(names::PROT)? as u32);
    let pkey = match args.next() {
        Some(key) => Some(number(key).ok_or("a protection key")? as i32),
        None => None,
    };
    Ok(Some(Action::Call(Call::Mprotect { range, prot, pkey })))
}

fn madvise(mut args: Args<'_>) -> Decoded {
    let range = range(&mut args)?;
    let symbol = args.next().ok_or("an advice")?;
    let value = names::advice(symbol)
        .or_else(|| flags(symbol, &[]))
        .ok_or("an advice")?;
    let advice = Advice::from_number(value as i32);
    Ok(Some(Action::Call(Call::Madvise { range, advice })))
}

fn mremap(mut args: Args<'_>) -> Decoded {
    let SyscallRange { addr, len } = range(&mut args)?;
    let new_len = Bytes(args.number()?);
    let flags = MremapFlags::from_bits_retain(args.flags(names::MREMAP)? as u32);
    let new_addr = match args.next() {
        Some(text) => number(text).ok_or("an address")?,
        None => 0,
    };
    Ok(Some(Action::Call(Call::Mremap(MremapArgs {
        addr,
        old_len: len,
        new_len,
        flags,
        new_addr: VirtAddr::new(new_addr),
    }))))
}

fn mlock(mut args: Args<'_>, with_flags: bool) -> Decoded {
    let range = range(&mut args)?;
    let onfault = with_flags && args.flags(names::MLOCK)? != 0;
    Ok(Some(Action::Call(Call::Mlock { range, onfault })))
}

fn mlockall(mut args: Args<'_>) -> Decoded {
    let flags = MlockallFlags::from_bits_retain(args.flags(names::MCL)? as u32);
    Ok(Some(Action::Call(Call::Mlockall(flags))))
}

/// Node masks are printed as `[0x1]` or `NULL`. Flags (`MPOL_MF_*`) and modes beyond those that a
/// scenario has are left out.
fn mbind(mut args: Args<'_>) -> Decoded {
    let range = range(&mut args)?;
    let Some(mode) = args.next().and_then(|mode| flags(mode, names::MPOL)) else {
        return Ok(None);
    };
    let nodes = args
        .next()
        .and_then(|mask| number(mask.trim_matches(['[', ']'])))
        .unwrap_or(0);
    let policy = match mode {
        0 => Policy::Default,
        1 => Policy::Preferred(nodes),
        2 => Policy::Bind(nodes),
        3 => Policy::Interleave(nodes),
        4 => Policy::Local,
        5 => Policy::PreferredMany(nodes),
        _ => return Ok(None),
    };
    Ok(Some(Action::Call(Call::Mbind { range, policy })))
}

/// Of `prctl` only `PR_SET_VMA_ANON_NAME` is mm's.
fn prctl(mut args: Args<'_>) -> Decoded {
    if args.next() != Some("PR_SET_VMA") || args.next() != Some("PR_SET_VMA_ANON_NAME") {
        return Ok(None);
    }
    let range = range(&mut args)?;
    let label = args.next().and_then(quoted).map(str::to_owned);
    Ok(Some(Action::Call(Call::VmaName { range, label })))
}

/// `clone` and `clone3` name their flags `flags=A|B`.
fn spawn(args: &str) -> Spawn {
    const VM: u64 = 0x100;
    const THREAD: u64 = 0x1_0000;
    let text = args.split_once("flags=").map_or("", |(_, rest)| rest);
    let text = text.split([',', '}', ')', ' ']).next().unwrap_or("");
    let value = text.split('|').fold(0, |all, symbol| match symbol {
        "CLONE_VM" => all | VM,
        "CLONE_THREAD" => all | THREAD,
        other => all | number(other).unwrap_or(0),
    });
    if value & THREAD != 0 {
        Spawn::Thread
    } else if value & VM != 0 {
        Spawn::Share
    } else {
        Spawn::Copy
    }
}

fn descriptor(task: u32, call: RawCall<'_>, logged: Logged, files: &mut Files) {
    let Logged::Value(value) = logged else {
        return;
    };
    let mut args = Args::new(call.args);
    match call.name {
        "close" => {
            if let Ok(descriptor) = args.number() {
                files.closed(task, descriptor);
            }
        }
        name => {
            let position = usize::from(name.starts_with("openat"));
            if let Some(name_or_path) = args.nth(position).and_then(quoted) {
                match name {
                    "memfd_create" => {
                        files.opened(task, value, &format!("/memfd:{name_or_path}#{value}"));
                    }
                    _ => files.opened(task, value, name_or_path),
                }
            }
        }
    }
}
