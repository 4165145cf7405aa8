//! userfaultfd.

use sim_core::{UffdCopySource, UffdFeatures, UffdMode};

use super::*;

fn register(mode: UffdMode) -> Call {
    Call::UffdRegister {
        range: at(0, 4),
        mode,
    }
}

fn copy(page: u64) -> Call {
    Call::UffdCopy {
        range: at(page, 1),
        source: UffdCopySource::Value(7),
        wp: false,
    }
}

#[test]
fn missing_pages_are_filled() {
    let Some(mut run) = run() else { return };
    run.anon(0, 4)
        .ok(&register(UffdMode::MISSING))
        .has_vmas(MAIN, &["0+4 rw-p um ac"])
        .expect(&read(0, 1), BUS)
        .ok(&copy(0))
        .expect(&copy(0), errno(Errno::EEXIST))
        .expect(&read(0, 1), byte(7))
        .ok(&Call::UffdZeropage(at(1, 1)))
        .ok(&Call::UffdPoison(at(2, 1)))
        .has_pages(MAIN, "Aax.")
        .expect(&read(2, 1), BUS)
        .ok(&Call::UffdUnregister(at(0, 4)))
        .expect(&read(3, 1), byte(0));
}

#[test]
fn waiting_is_an_outcome() {
    let Some(mut run) = run_with(|setup| setup.uffd -= UffdFeatures::SIGBUS) else {
        return;
    };
    run.anon(0, 4)
        .ok(&register(UffdMode::MISSING))
        .expect(&read(0, 1), Outcome::UffdWait)
        .expect(&write(1, 1, 1), Outcome::UffdWait)
        .has_pages(MAIN, "....")
        .ok(&copy(0))
        .expect(&read(0, 1), byte(7));
}

#[test]
fn write_protection_shows() {
    let protect = |on| Call::UffdWriteprotect {
        range: at(0, 4),
        on,
    };
    let Some(mut run) = run() else { return };
    run.anon(0, 4)
        .ok(&write(0, 2, 1))
        .ok(&register(UffdMode::WP))
        .ok(&protect(true))
        .has_pages(MAIN, "A+A+mm")
        .expect(&write(0, 1, 2), BUS)
        .expect(&read(0, 1), byte(1))
        .ok(&protect(false))
        .ok(&write(0, 1, 2));
}

#[test]
fn children_are_not_registered() {
    let Some(mut run) = run() else { return };
    run.anon(0, 4)
        .ok(&register(UffdMode::MISSING))
        .ok(&FORK)
        .has_vmas(CHILD, &["0+4 rw-p ac"])
        .expect_in(CHILD, &read(0, 1), byte(0))
        .expect_in(CHILD, &register(UffdMode::WP), Outcome::OK)
        .has_vmas(MAIN, &["0+4 rw-p um ac"]);
}

#[test]
fn pages_move() {
    let Some(mut run) = run() else { return };
    run.anon(0, 4)
        .anon(8, 1)
        .ok(&write(8, 1, 5))
        .ok(&register(UffdMode::MISSING))
        .ok(&Call::UffdMove {
            range: at(1, 1),
            from: at(8, 1).addr,
        })
        .has_pages(MAIN, ".A.......")
        .expect(&read(1, 1), byte(5));
}
