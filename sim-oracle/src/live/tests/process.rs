//! Accesses and processes, as this back end makes them.

use super::*;

fn exec(page: u64, pages: u64) -> Call {
    Call::Access {
        range: at(page, pages),
        access: Access::Exec,
    }
}

#[test]
fn any_content_can_be_fetched() {
    let all = Prot::READ | Prot::WRITE | Prot::EXEC;
    let kind = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let Some(mut run) = run() else { return };
    run.map_prot(0, 2, kind, all);
    for value in 0..=255 {
        run.ok(&write(0, 2, value)).ok(&exec(0, 2));
        run.expect(&read(1, 1), byte(u64::from(value)));
    }
}

#[test]
fn every_page_of_a_pattern_can_be_fetched() {
    let Some(mut run) = run_with(|setup| setup.files = vec![file(FileKind::Regular, 251)]) else {
        return;
    };
    let prot = Prot::READ | Prot::EXEC;
    run.map_prot(0, 251, MapFlags::PRIVATE, prot)
        .ok(&exec(0, 251));
}

#[test]
fn fetches_ask_for_permission() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .ok(&write(0, 1, 1))
        .expect(&exec(0, 1), SEGV)
        .expect(&exec(5, 1), SEGV)
        // x86 takes the fetch of a missing page for a read, and maps the zero page first.
        .expect(&exec(1, 1), SEGV)
        .has_pages(MAIN, "Aa");
}

#[test]
fn touches_keep_contents() {
    let touch = Call::Access {
        range: at(0, 2),
        access: Access::Write(None),
    };
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .ok(&write(0, 1, 8))
        .ok(&touch)
        .has_pages(MAIN, "AA")
        .expect(&read(0, 1), byte(8));
}

#[test]
fn accesses_stop_at_the_first_signal() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .anon(3, 1)
        .expect(&write(0, 4, 1), SEGV)
        .has_pages(MAIN, "AA..");
}

#[test]
fn execve_empties_the_address_space() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .expect(
            &Call::Brk(VirtAddr::new(super::super::BRK_START + 0x1000)),
            Outcome::Value(super::super::BRK_START + 0x1000),
        )
        .ok(&Call::Execve { stack: None })
        .has_vmas(MAIN, &[])
        .expect(
            &Call::Brk(VirtAddr::ZERO),
            Outcome::Value(super::super::BRK_START),
        )
        .anon(0, 1)
        .ok(&write(0, 1, 1));
}

#[test]
fn own_memory_is_out_of_reach() {
    let Some(mut run) = run() else { return };
    let all = SyscallRange::new(VirtAddr::ZERO, Bytes(0x7fff_ffff_f000));
    for call in [
        Call::Munmap(all),
        Call::Madvise {
            range: all,
            advice: INSTALL,
        },
    ] {
        assert!(matches!(
            run.live.call(MAIN, &call),
            Err(sim_core::BackendError::NotSupported(_))
        ));
    }
}

const INSTALL: Advice = Advice::GuardInstall;

#[test]
fn restarts_begin_anew() {
    let Some(mut run) = run_with(|setup| {
        setup.files = vec![file(FileKind::Memfd, 2)];
    }) else {
        return;
    };
    run.map(0, 2, MapFlags::SHARED)
        .ok(&write(0, 2, 9))
        .ok(&FORK);
    run.live.restart().expect("it can be restarted");
    assert_eq!(run.live.processes(), [MAIN]);
    run.has_vmas(MAIN, &[])
        .map(0, 2, MapFlags::SHARED)
        .expect(&read(0, 1), byte(0));
}
