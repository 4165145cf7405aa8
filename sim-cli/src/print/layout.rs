//! The address space of a process: maps' columns, then the flags.

use sim_core::{PageRange, Snapshot, VmFlags, VmaSnapshot};

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
    print_with(snapshot, &|_| None, output);
}

/// The same, with a remark on some of them.
pub(crate) fn print_with(
    snapshot: &Snapshot,
    remark: &dyn Fn(PageRange) -> Option<&'static str>,
    output: &mut Output,
) {
    if snapshot.vmas.is_empty() {
        output.line(format!(
            "  {}",
            output.paint(Style::Dim, "nothing is mapped")
        ));
    }
    for vma in &snapshot.vmas {
        let line = line(vma, remark(vma.range), output);
        output.line(line);
    }
}

fn line(vma: &VmaSnapshot, remark: Option<&str>, output: &Output) -> String {
    let perms: String = vma.flags.perms().map(char::from).iter().collect();
    let range = vma.range;
    let mut line = format!(
        "  {:012x}-{:012x} {perms} {:08x} {:>7}  {}",
        range.start().get(),
        range.end().get(),
        vma.offset,
        size(range),
        name(vma)
    );
    let flags: Vec<_> = (vma.flags - USUAL).mnemonics().collect();
    let flags = flags.join(" ");
    if !flags.is_empty() {
        line = format!("{line:<70} {}", output.paint(Style::Dim, flags));
    }
    if let Some(remark) = remark {
        line = format!("{line}  {}", output.paint(Style::Note, remark));
    }
    line.trim_end().to_owned()
}

/// Pages, or, when they are many, roughly gigabytes.
fn size(range: PageRange) -> String {
    const MANY: u64 = 1 << 20;
    let pages = range.pages();
    if pages < MANY {
        format!("{pages}p")
    } else {
        format!("~{}G", range.len().get() >> 30)
    }
}

/// The last column of maps.
fn name(vma: &VmaSnapshot) -> String {
    match (&vma.file, &vma.label) {
        (Some(file), _) => file.clone(),
        (None, Some(label)) => format!("[anon:{label}]"),
        (None, None) => String::new(),
    }
}
