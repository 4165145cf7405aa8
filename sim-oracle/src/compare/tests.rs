use sim_core::{PageRange, PageRun, PageState, Snapshot, VirtAddr, VmFlags, VmaSnapshot};

use super::{Comparison, Difference, Level, VmaField, side_by_side};

fn vma(start: u64, end: u64) -> VmaSnapshot {
    VmaSnapshot {
        range: PageRange::new(VirtAddr::new(start << 12), VirtAddr::new(end << 12)),
        flags: VmFlags::READ | VmFlags::MAYREAD,
        offset: 0,
        file: None,
        label: None,
        anon_vma: None,
        smaps: sim_core::Smaps::default(),
    }
}

fn snapshot(vmas: &[VmaSnapshot], runs: &[(u64, u64, PageState)]) -> Snapshot {
    Snapshot {
        vmas: vmas.to_vec(),
        pages: runs
            .iter()
            .map(|&(start, end, state)| PageRun {
                range: PageRange::new(VirtAddr::new(start << 12), VirtAddr::new(end << 12)),
                state,
            })
            .collect(),
    }
}

#[test]
fn equal_snapshots_are_equal_at_every_level() {
    let one = snapshot(&[vma(1, 3)], &[(1, 2, PageState::Guard)]);
    for &(_, level) in Level::NAMES {
        assert_eq!(Comparison::new(level).snapshots(&one, &one), None);
    }
}

#[test]
fn runs_may_be_cut_differently() {
    let left = snapshot(&[], &[(1, 4, PageState::Guard)]);
    let right = snapshot(&[], &[(1, 2, PageState::Guard), (2, 4, PageState::Guard)]);
    assert_eq!(Comparison::new(Level::Pages).snapshots(&left, &right), None);
}

#[test]
fn first_differing_page_is_found() {
    let left = snapshot(&[], &[(1, 4, PageState::Guard), (9, 10, PageState::Poison)]);
    for (runs, at) in [
        (
            vec![(1, 3, PageState::Guard), (9, 10, PageState::Poison)],
            3,
        ),
        (vec![(1, 4, PageState::Guard)], 9),
        (vec![(0, 4, PageState::Guard)], 0),
        (vec![(2, 4, PageState::Guard)], 1),
        (
            vec![(1, 4, PageState::Guard), (8, 10, PageState::Poison)],
            8,
        ),
        (vec![], 1),
    ] {
        let right = snapshot(&[], &runs);
        let found = Comparison::new(Level::Pages).snapshots(&left, &right);
        let Some(Difference::Page { addr, .. }) = found else {
            panic!("{found:?}")
        };
        assert_eq!(addr, VirtAddr::new(at << 12));
    }
}

#[test]
fn levels_include_those_before_them() {
    let left = snapshot(&[vma(1, 3)], &[]);
    let mut right = left.clone();
    right.vmas[0].flags |= VmFlags::MAYBE_GUARD;
    right.vmas[0].smaps.rss = 4;
    assert_eq!(
        Comparison::new(Level::Layout).snapshots(&left, &right),
        None
    );
    assert!(matches!(
        Comparison::new(Level::Pages).snapshots(&left, &right),
        Some(Difference::Flags { .. })
    ));
    let mut ignoring = Comparison::new(Level::Pages);
    ignoring.ignored_flags = VmFlags::MAYBE_GUARD;
    assert!(matches!(
        ignoring.snapshots(&left, &right),
        Some(Difference::Counter { name: "Rss", .. })
    ));
    ignoring.ignored_counters = vec!["Rss"];
    assert_eq!(ignoring.snapshots(&left, &right), None);
}

#[test]
fn missing_vmas_are_shown() {
    let left = snapshot(&[vma(1, 3), vma(5, 6)], &[]);
    let right = snapshot(&[vma(1, 3)], &[]);
    assert!(matches!(
        Comparison::new(Level::Layout).snapshots(&left, &right),
        Some(Difference::Vma {
            field: VmaField::Presence,
            right: None,
            ..
        })
    ));
    let text = side_by_side(("simulator", "kernel"), &left, &right);
    assert_eq!(
        text,
        "simulator              kernel\n\
         1000-3000 r--p rd,mr   1000-3000 r--p rd,mr\n\
         5000-6000 r--p rd,mr !\n"
    );
}
