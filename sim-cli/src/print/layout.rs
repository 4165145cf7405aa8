//! The address space of a process: maps' columns, then the flags.

use sim_core::{Snapshot, VmFlags, VmaSnapshot};

use crate::output::{Output, Style};

/// Flags that nearly every VMA has, or that the permissions tell.
const USUAL: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::EXEC)
    .union(VmFlags::SHARED)
    .union(VmFlags::MAY_FLAGS)
    .union(VmFlags::MAYSHARE);

/// Prints one line for each VMA.
pub(crate) fn print(snapshot: &Snapshot, output: &mut Output) {
    if snapshot.vmas.is_empty() {
        output.line(format!(
            "  {}",
            output.paint(Style::Dim, "nothing is mapped")
        ));
    }
    for vma in &snapshot.vmas {
        let line = line(vma, output);
        output.line(line);
    }
}

fn line(vma: &VmaSnapshot, output: &Output) -> String {
    let perms: String = vma.flags.perms().map(char::from).iter().collect();
    let range = vma.range;
    let pages = format!("{}p", range.pages());
    let flags: Vec<_> = (vma.flags - USUAL).mnemonics().collect();
    let mut line = format!(
        "  {:012x}-{:012x} {perms} {:08x} {pages:>7}  {}",
        range.start().get(),
        range.end().get(),
        vma.offset,
        name(vma)
    );
    let flags = flags.join(" ");
    if !flags.is_empty() {
        line = format!("{line:<70} {}", output.paint(Style::Dim, flags));
    }
    line.trim_end().to_owned()
}

/// The last column of maps.
fn name(vma: &VmaSnapshot) -> String {
    match (&vma.file, &vma.label) {
        (Some(file), _) => file.clone(),
        (None, Some(label)) => format!("[anon:{label}]"),
        (None, None) => String::new(),
    }
}
