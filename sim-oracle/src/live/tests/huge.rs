//! Huge pages.

use sim_core::PMD_PAGES;

use super::*;

fn huge_runs(run: &mut Run) -> u64 {
    let huge = |state| matches!(state, PageState::Present { huge: true, .. });
    run.snapshot(MAIN)
        .pages
        .iter()
        .filter(|run| huge(run.state))
        .map(|run| run.range.pages())
        .sum()
}

#[test]
fn advised_memory_faults_in_whole() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2 * PMD_PAGES)
        .ok(&advice(0, 2 * PMD_PAGES, Advice::Hugepage))
        .ok(&write(5, 1, 1));
    assert_eq!(huge_runs(&mut run), PMD_PAGES);
    let smaps = run.snapshot(MAIN).vmas[0].smaps.clone();
    assert_eq!((smaps.anon_huge_pages, smaps.rss), (2048, 2048));
    run.ok(&advice(7, 1, Advice::GuardInstall));
    let smaps = run.snapshot(MAIN).vmas[0].smaps.clone();
    assert_eq!((smaps.anon_huge_pages, smaps.rss), (0, 2044));
}

#[test]
fn written_memory_collapses() {
    let Some(mut run) = run() else { return };
    run.anon(0, PMD_PAGES)
        .expect(
            &advice(0, PMD_PAGES, Advice::Collapse),
            errno(Errno::EINVAL),
        )
        .ok(&write(0, 3, 6))
        .ok(&advice(0, PMD_PAGES, Advice::Collapse))
        .expect(&read(2, 1), byte(6))
        .expect(&read(3, 1), byte(0));
    assert_eq!(huge_runs(&mut run), PMD_PAGES);
}

#[test]
fn guards_prevent_collapse() {
    let Some(mut run) = run() else { return };
    run.anon(0, PMD_PAGES)
        .ok(&write(0, 3, 6))
        .ok(&advice(9, 1, Advice::GuardInstall))
        .expect(
            &advice(0, PMD_PAGES, Advice::Collapse),
            errno(Errno::EINVAL),
        )
        .ok(&advice(9, 1, Advice::GuardRemove))
        .ok(&advice(0, PMD_PAGES, Advice::Collapse));
}
