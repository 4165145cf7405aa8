//! Guard regions.

use super::*;

const INSTALL: Advice = Advice::GuardInstall;
const REMOVE: Advice = Advice::GuardRemove;

#[test]
fn guards_fault_and_leave_zeroes_behind() {
    let Some(mut run) = run() else { return };
    run.anon(0, 6)
        .ok(&write(0, 6, 7))
        .ok(&advice(2, 2, INSTALL))
        .has_pages(MAIN, "AAggAA")
        .has_vmas(MAIN, &["0+6 rw-p gu ac"])
        .expect(&read(2, 1), SEGV)
        .expect(&write(3, 1, 1), SEGV)
        .expect(&read(1, 1), byte(7))
        .ok(&advice(2, 2, REMOVE))
        .has_pages(MAIN, "AA..AA")
        .expect(&read(2, 1), byte(0))
        .has_vmas(MAIN, &["0+6 rw-p gu ac"]);
}

#[test]
fn guards_outlive_what_drops_pages() {
    for discard in [
        Advice::Dontneed,
        Advice::Free,
        Advice::Cold,
        Advice::Pageout,
        Advice::Willneed,
    ] {
        let Some(mut run) = run() else { return };
        run.anon(0, 3).ok(&advice(1, 1, INSTALL));
        // WILLNEED of anonymous memory without swap is refused, and keeps them too.
        let _ = run.live.call(MAIN, &advice(0, 3, discard));
        run.has_pages(MAIN, ".g.");
    }
}

#[test]
fn admission() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .anon(4, 2)
        .expect(&advice(0, 6, INSTALL), errno(Errno::ENOMEM))
        .has_pages(MAIN, "gg..gg")
        .expect(&advice(0, 6, REMOVE), errno(Errno::ENOMEM))
        .has_pages(MAIN, "......")
        .ok(&Call::Mlock {
            range: at(0, 1),
            onfault: true,
        })
        .expect(&advice(0, 1, INSTALL), errno(Errno::EINVAL))
        .ok(&advice(0, 1, REMOVE));
}

#[test]
fn guards_are_inherited() {
    let Some(mut run) = run() else { return };
    run.anon(0, 4)
        .ok(&advice(1, 1, INSTALL))
        .ok(&FORK)
        .has_pages(CHILD, ".g..")
        .expect_in(CHILD, &read(1, 1), SEGV);
}

#[test]
fn children_of_wipeonfork_have_the_flag_but_no_guards() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .ok(&advice(0, 2, Advice::Wipeonfork))
        .ok(&advice(0, 1, INSTALL))
        .ok(&FORK)
        .has_pages(CHILD, "..")
        .has_vmas(CHILD, &["0+2 rw-p gu ac wf"]);
}

#[test]
fn the_flag_is_sticky() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .ok(&advice(0, 1, INSTALL))
        .anon(2, 2)
        .has_vmas(MAIN, &["0+4 rw-p gu ac"])
        .ok(&Call::Mprotect {
            range: at(1, 1),
            prot: Prot::READ,
            pkey: None,
        })
        .has_vmas(
            MAIN,
            &["0+1 rw-p gu ac", "1+1 r--p gu ac", "2+2 rw-p gu ac"],
        );
}

#[test]
fn files_keep_guards_through_truncation() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Memfd, 4)]) else {
        return;
    };
    run.map(0, 4, MapFlags::SHARED)
        .ok(&write(0, 4, 3))
        .ok(&advice(2, 1, INSTALL))
        .has_pages(MAIN, "FFgF")
        .ok(&Call::Truncate {
            file: FileId(0),
            size: Bytes::from_pages(1),
        })
        .has_pages(MAIN, "F.g.")
        .expect(&read(2, 1), SEGV)
        .expect(&read(3, 1), BUS);
}

#[test]
fn installing_over_a_marker_in_shared_memory_never_ends() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Memfd, 4)]) else {
        return;
    };
    run.map(0, 2, MapFlags::SHARED)
        .ok(&Call::UffdRegister {
            range: at(0, 2),
            mode: sim_core::UffdMode::WP,
        })
        .ok(&Call::UffdWriteprotect {
            range: at(0, 1),
            on: true,
        })
        .has_pages(MAIN, "m.")
        .expect(&advice(0, 1, INSTALL), Outcome::Livelock)
        .has_pages(MAIN, "m.")
        .expect(&read(1, 1), byte(0));
}
