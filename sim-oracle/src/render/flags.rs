//! Flags by their names in scenarios.

use sim_core::{MapFlags, MlockallFlags, MremapFlags, Prot, UffdMode};

fn list(names: &[(bool, &str)]) -> String {
    let set: Vec<_> = names
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| format!("\"{name}\""))
        .collect();
    format!("[{}]", set.join(", "))
}

pub(super) fn prot(prot: Prot) -> String {
    let known = Prot::READ | Prot::WRITE | Prot::EXEC;
    if !(prot - known).is_empty() {
        return format!("\"{:#x}\"", prot.bits());
    }
    let letters: String = [(Prot::READ, 'r'), (Prot::WRITE, 'w'), (Prot::EXEC, 'x')]
        .into_iter()
        .filter(|(flag, _)| prot.contains(*flag))
        .map(|(_, letter)| letter)
        .collect();
    if letters.is_empty() {
        "\"none\"".to_owned()
    } else {
        format!("\"{letters}\"")
    }
}

pub(super) fn mmap(flags: MapFlags) -> String {
    let kind = flags & MapFlags::TYPE;
    let has = |flag| flags.contains(flag);
    list(&[
        (kind == MapFlags::SHARED, "shared"),
        (kind == MapFlags::PRIVATE, "private"),
        (kind == MapFlags::SHARED_VALIDATE, "shared_validate"),
        (kind == MapFlags::DROPPABLE, "droppable"),
        (has(MapFlags::ANONYMOUS), "anon"),
        (has(MapFlags::FIXED), "fixed"),
        (has(MapFlags::FIXED_NOREPLACE), "fixed_noreplace"),
        (has(MapFlags::LOW_32BIT), "32bit"),
        (has(MapFlags::GROWSDOWN), "growsdown"),
        (has(MapFlags::LOCKED), "locked"),
        (has(MapFlags::NORESERVE), "noreserve"),
        (has(MapFlags::POPULATE), "populate"),
        (has(MapFlags::NONBLOCK), "nonblock"),
        (has(MapFlags::STACK), "stack"),
        (has(MapFlags::HUGETLB), "hugetlb"),
        (has(MapFlags::SYNC), "sync"),
    ])
}

pub(super) fn mremap(flags: MremapFlags) -> String {
    list(&[
        (flags.contains(MremapFlags::MAYMOVE), "maymove"),
        (flags.contains(MremapFlags::FIXED), "fixed"),
        (flags.contains(MremapFlags::DONTUNMAP), "dontunmap"),
    ])
}

pub(super) fn mlockall(flags: MlockallFlags) -> String {
    list(&[
        (flags.contains(MlockallFlags::CURRENT), "current"),
        (flags.contains(MlockallFlags::FUTURE), "future"),
        (flags.contains(MlockallFlags::ONFAULT), "onfault"),
    ])
}

pub(super) fn uffd(mode: UffdMode) -> String {
    list(&[
        (mode.contains(UffdMode::MISSING), "missing"),
        (mode.contains(UffdMode::WP), "wp"),
        (mode.contains(UffdMode::MINOR), "minor"),
    ])
}
