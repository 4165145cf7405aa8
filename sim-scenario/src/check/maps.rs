//! Assertions about the text of `/proc/PID/maps`.

use sim_core::{VirtAddr, VmFlags, VmaSnapshot};

use crate::scenario::MapsLine;
use crate::source::Placed;

/// Are these all lines of maps?
pub(super) fn maps(lines: &[Placed<MapsLine>], vmas: &[VmaSnapshot]) -> Result<(), String> {
    for (index, (line, vma)) in lines.iter().zip(vmas).enumerate() {
        let (expected, got) = (&line.value, of_vma(vma));
        if !same(expected, &got) {
            let number = index + 1;
            let (expected, got) = (text(expected), text(&got));
            return Err(format!("line {number}: expected `{expected}`, got `{got}`"));
        }
    }
    if lines.len() == vmas.len() {
        return Ok(());
    }
    let first = match (lines.get(vmas.len()), vmas.get(lines.len())) {
        (Some(line), _) => format!("`{}` is missing", text(&line.value)),
        (None, Some(vma)) => format!("`{}` is not expected", text(&of_vma(vma))),
        (None, None) => String::new(),
    };
    Err(format!(
        "expected {} lines, got {}: {first}",
        lines.len(),
        vmas.len()
    ))
}

fn of_vma(vma: &VmaSnapshot) -> MapsLine {
    let shared = vma.flags.contains(VmFlags::MAYSHARE);
    let name = match (&vma.label, &vma.file) {
        (Some(label), _) if shared => format!("[anon_shmem:{label}]"),
        (Some(label), _) => format!("[anon:{label}]"),
        (None, Some(file)) => file.clone(),
        (None, None) => String::new(),
    };
    MapsLine {
        start: vma.range.start(),
        end: vma.range.end(),
        perms: vma.flags.perms(),
        offset: vma.offset,
        name,
    }
}

fn same(expected: &MapsLine, got: &MapsLine) -> bool {
    let name = bare(&expected.name);
    // A snapshot does not say which VMA is the heap or the stack.
    let unnamed = matches!(name, "[heap]" | "[stack]") && got.name.is_empty();
    (unnamed || name == bare(&got.name))
        && (expected.start, expected.end) == (got.start, got.end)
        && expected.perms == got.perms
        && expected.offset == got.offset
}

/// A file's name without what maps adds to it.
fn bare(name: &str) -> &str {
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    name.strip_prefix("/memfd:").unwrap_or(name)
}

fn text(line: &MapsLine) -> String {
    let perms: String = line.perms.map(char::from).iter().collect();
    let hex = |addr: VirtAddr| format!("{:08x}", addr.get());
    let (start, end) = (hex(line.start), hex(line.end));
    let text = format!("{start}-{end} {perms} {:08x} {}", line.offset, line.name);
    text.trim_end().to_owned()
}
