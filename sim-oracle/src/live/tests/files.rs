//! Files.

use super::*;

#[test]
fn regular_files_are_cached_clean_and_unreferenced() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Regular, 20)]) else {
        return;
    };
    run.map_prot(0, 20, MapFlags::PRIVATE, Prot::READ)
        .expect(&read(3, 1), byte(4))
        .has_pages(MAIN, "FFFFFFFFFFFFFFFF....");
    let smaps = run.snapshot(MAIN).vmas[0].smaps.clone();
    assert_eq!((smaps.rss, smaps.private_clean), (64, 64));
    run.ok(&Call::ClearRefs(1));
    assert_eq!(run.snapshot(MAIN).vmas[0].smaps.referenced, 0);
}

#[test]
fn private_writes_copy() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Regular, 4)]) else {
        return;
    };
    run.map(0, 4, MapFlags::PRIVATE)
        .ok(&write(1, 1, 99))
        .has_pages(MAIN, ".A..")
        .expect(&read(2, 1), byte(3))
        .has_pages(MAIN, "FAFF");
}

#[test]
fn the_end_of_a_file_is_the_end_of_pages() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Regular, 3)]) else {
        return;
    };
    run.map(0, 5, MapFlags::SHARED)
        .expect(&read(3, 1), BUS)
        .expect(&write(4, 1, 1), BUS)
        .expect(&read(2, 1), byte(3));
}

#[test]
fn holes_of_memfds_are_filled_one_by_one() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Memfd, 4)]) else {
        return;
    };
    run.map(0, 4, MapFlags::SHARED)
        .expect(&read(1, 1), byte(0))
        .has_pages(MAIN, ".F..")
        .ok(&write(2, 1, 5))
        .ok(&Call::PunchHole {
            file: FileId(0),
            offset: 2 * PAGE_SIZE,
            len: Bytes(PAGE_SIZE),
        })
        .has_pages(MAIN, ".F..");
    assert_eq!(run.snapshot(MAIN).vmas[0].file.as_deref(), Some("data"));
}
