//! `/proc/PID/smaps` (`fs/proc/task_mmu.c: show_smap()`, 6.19).

use std::fmt::Write as _;

use sim_core::store::VmaStore;
use sim_pagetable::Arch;

use super::{maps, smaps};
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// The whole file.
pub(super) fn text<A: Arch, S: VmaStore>(shared: &Shared, space: &AddressSpace<A, S>) -> String {
    let mm = space.mm.read();
    let pager = Pager::new(shared, &space.pages);
    let mut text = String::new();
    for (_, vma) in mm.iter() {
        text.push_str(&maps::line(shared, mm.brk_fields(), vma));
        for (name, value) in smaps::gather(&pager, vma).counters() {
            let unit = if name == "THPeligible" { "" } else { " kB" };
            let _ = writeln!(text, "{:<16}{value:>8}{unit}", format!("{name}:"));
        }
        text.push_str("VmFlags: ");
        for mnemonic in vma.flags().mnemonics() {
            let _ = write!(text, "{mnemonic} ");
        }
        text.push('\n');
    }
    text
}
