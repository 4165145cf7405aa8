//! The text formats of `/proc` and the dumps.

use sim_core::{Pid, Profile};

use super::{script::Script, setup};
use crate::DumpKind;

fn machine() -> Script {
    let mut script = Script::new(&setup(Profile::V6_18Stable));
    script.steps(
        "map 0..2 rw anon
         write 0 7
         advise 1..2 guard_install
         map 4..6 r file@3
         read 4
         map 8..9 rw shared",
    );
    script
}

#[test]
fn maps_has_the_kernel_s_columns() {
    let expected = "\
100000000000-100000002000 rw-p 00000000 00:00 0 
100000004000-100000006000 r--s 00003000 08:01 12                         /file
100000008000-100000009000 rw-s 00000000 00:01 2049                       /dev/zero (deleted)
";
    let text = machine().dump(Pid::MAIN, DumpKind::Maps);
    assert_eq!(text, expected);
}

#[test]
fn smaps_has_the_kernel_s_lines() {
    let text = machine().dump(Pid::MAIN, DumpKind::Smaps);
    let first: Vec<_> = text.lines().take(26).collect();
    assert_eq!(first[1], "Size:                  8 kB");
    assert_eq!(first[4], "Rss:                   4 kB");
    assert_eq!(first[23], "THPeligible:           0");
    assert_eq!(first[24], "VmFlags: rd wr mr mw me gu ac ");
    assert!(first[25].starts_with("100000004000-"));
}

#[test]
fn pagemap_has_the_kernel_s_bits() {
    let text = machine().dump(Pid::MAIN, DumpKind::Pagemap);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("0x100000000000 81000000"));
    assert_eq!(lines[1], "0x100000001000 440000000000009f");
    assert!(lines[2].starts_with("0x100000004000 a1000000"));
}

#[test]
fn tables_can_be_walked() {
    let mut script = machine();
    let tables = script.dump(Pid::MAIN, DumpKind::Tables);
    assert!(tables.contains("marker guard"), "{tables}");
    assert!(tables.contains("PTE[0] 0x100000000000") || tables.contains("Pte[0] 0x100000000000"));
    let memory = script.dump(Pid::MAIN, DumpKind::Memory);
    assert!(memory.starts_with("{\"process\": \"main\", \"arch\": \"x86_64\", \"root\": \"0x"));
}
