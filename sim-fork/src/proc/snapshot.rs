//! The state of a process in the form that all back ends share.

use sim_core::store::VmaStore;
use sim_core::{PAGE_SIZE, Snapshot, SnapshotLevel, Vma, VmaSnapshot};
use sim_pagetable::Arch;

use super::{pagemap, smaps};
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// Everything visible of a process.
pub(crate) fn snapshot<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    level: SnapshotLevel,
) -> Snapshot {
    let mm = space.mm.read();
    let pager = Pager::new(shared, &space.pages);
    let mut snapshot = Snapshot::default();
    for (_, vma) in mm.iter() {
        let mut shown = shown(shared, vma);
        if level == SnapshotLevel::All {
            shown.smaps = smaps::gather(&pager, vma);
            pagemap::append_runs(&pager, vma, &mut snapshot.pages);
        }
        snapshot.vmas.push(shown);
    }
    snapshot
}

fn shown(shared: &Shared, vma: &Vma) -> VmaSnapshot {
    let object = vma.file().and_then(|file| shared.files.get(file.id));
    let offset = match vma.file() {
        Some(_) => vma.pgoff().get().wrapping_mul(PAGE_SIZE),
        None => 0,
    };
    VmaSnapshot {
        range: vma.range(),
        flags: vma.flags(),
        offset,
        file: object.map(|object| object.name().to_owned()),
        label: vma.anon_name().map(ToString::to_string),
        anon_vma: Some(vma.anon_vma().is_some()),
        smaps: sim_core::Smaps::default(),
    }
}
