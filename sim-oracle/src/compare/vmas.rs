//! VMAs: layout, flags, counters.

use sim_core::{Snapshot, VmFlags, VmaSnapshot};

use super::{Comparison, Difference, VmaField};

/// Addresses, permissions, offset, file, label; then `anon_vma` where both sides know.
pub(super) fn layout(left: &Snapshot, right: &Snapshot) -> Option<Difference> {
    let count = left.vmas.len().max(right.vmas.len());
    (0..count).find_map(|i| {
        let (left, right) = (left.vmas.get(i), right.vmas.get(i));
        let field = match (left, right) {
            (Some(left), Some(right)) => layout_field(left, right)?,
            (Some(_), None) | (None, Some(_)) => VmaField::Presence,
            (None, None) => unreachable!("the index is below the larger count"),
        };
        Some(Difference::Vma {
            left: left.cloned().map(Box::new),
            right: right.cloned().map(Box::new),
            field,
        })
    })
}

fn layout_field(left: &VmaSnapshot, right: &VmaSnapshot) -> Option<VmaField> {
    let anon_vma_differs = matches!((left.anon_vma, right.anon_vma), (Some(l), Some(r)) if l != r);
    [
        (left.range != right.range, VmaField::Range),
        (left.flags.perms() != right.flags.perms(), VmaField::Perms),
        (left.offset != right.offset, VmaField::Offset),
        (left.file != right.file, VmaField::File),
        (left.label != right.label, VmaField::Label),
        (anon_vma_differs, VmaField::AnonVma),
    ]
    .into_iter()
    .find_map(|(differs, field)| differs.then_some(field))
}

/// Flags of VMAs whose layout is the same.
pub(super) fn flags(
    comparison: &Comparison,
    left: &Snapshot,
    right: &Snapshot,
) -> Option<Difference> {
    let mut ignored = comparison.ignored_flags;
    if !comparison.soft_dirty {
        ignored |= VmFlags::SOFTDIRTY;
    }
    left.vmas.iter().zip(&right.vmas).find_map(|(l, r)| {
        let (left, right) = (l.flags - ignored, r.flags - ignored);
        (left != right).then_some(Difference::Flags {
            range: l.range,
            left,
            right,
        })
    })
}

/// Counters of VMAs whose layout is the same.
pub(super) fn counters(
    comparison: &Comparison,
    left: &Snapshot,
    right: &Snapshot,
) -> Option<Difference> {
    left.vmas.iter().zip(&right.vmas).find_map(|(l, r)| {
        l.smaps
            .counters()
            .zip(r.smaps.counters())
            .find(|((name, left), (_, right))| {
                left != right && !comparison.ignored_counters.contains(name)
            })
            .map(|((name, left), (_, right))| Difference::Counter {
                range: l.range,
                name,
                left,
                right,
            })
    })
}
