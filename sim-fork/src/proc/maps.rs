//! `/proc/PID/maps` (`fs/proc/task_mmu.c: show_map_vma()`, 6.19).

use std::fmt::Write as _;

use sim_core::store::VmaStore;
use sim_core::{BrkFields, FileRef, MappedKind, Mm, PAGE_SIZE, Vma};

use crate::shared::Shared;

/// Names begin in this column, counted from 0.
const NAME_COLUMN: usize = 73;

/// The whole file.
pub(super) fn text<S: VmaStore>(shared: &Shared, mm: &Mm<S>) -> String {
    let lines = mm.iter().map(|(_, vma)| line(shared, mm.brk_fields(), vma));
    lines.collect()
}

/// The line of a VMA, with its end.
pub(super) fn line(shared: &Shared, brk: &BrkFields, vma: &Vma) -> String {
    let (start, end) = (vma.start().get(), vma.end().get());
    let [r, w, x, s] = vma.flags().perms().map(char::from);
    let (offset, device, inode) = match vma.file() {
        Some(file) => {
            let (device, inode) = numbers(file);
            (vma.pgoff().get().wrapping_mul(PAGE_SIZE), device, inode)
        }
        None => (0, "00:00", 0),
    };
    let mut line = format!("{start:08x}-{end:08x} {r}{w}{x}{s} {offset:08x} {device} {inode} ");
    if let Some(name) = name(shared, brk, vma) {
        let _ = write!(
            line,
            "{:width$}{name}",
            "",
            width = NAME_COLUMN.saturating_sub(line.len())
        );
    }
    line.push('\n');
    line
}

/// Device and inode: files are on one disk, shared memory on the kernel's own tmpfs.
fn numbers(file: FileRef) -> (&'static str, u64) {
    let inode = u64::from(file.id.0 & 0x7fff_ffff);
    match file.kind {
        MappedKind::Regular => ("08:01", inode + 12),
        MappedKind::Memfd => ("00:01", inode + 1025),
        MappedKind::DevZero => ("00:01", inode + 2049),
        MappedKind::Pfnmap | MappedKind::Mixedmap => ("00:06", inode + 97),
    }
}

/// What stands at the end of the line.
fn name(shared: &Shared, brk: &BrkFields, vma: &Vma) -> Option<String> {
    let object = vma.file().and_then(|file| shared.files.get(file.id));
    if let Some(object) = object {
        let name = object.name();
        return Some(match (object.file().kind, vma.anon_name()) {
            (MappedKind::DevZero, Some(label)) => format!("[anon_shmem:{label}]"),
            (MappedKind::DevZero, None) => format!("{name} (deleted)"),
            (MappedKind::Memfd, _) => format!("/memfd:{name} (deleted)"),
            (MappedKind::Regular, _) => format!("/{name}"),
            (MappedKind::Pfnmap | MappedKind::Mixedmap, _) => format!("/dev/{name}"),
        });
    }
    let heap = brk.start_brk < brk.brk && vma.start() < brk.brk && vma.end() > brk.start_brk;
    let has_stack = brk.start_stack.get() != 0;
    if heap {
        Some("[heap]".to_owned())
    } else if has_stack && vma.start() <= brk.start_stack && vma.end() >= brk.start_stack {
        Some("[stack]".to_owned())
    } else {
        vma.anon_name().map(|label| format!("[anon:{label}]"))
    }
}
