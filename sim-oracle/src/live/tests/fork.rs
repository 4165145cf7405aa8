//! Fork and copy-on-write.

use super::*;

#[test]
fn pages_are_shared_until_written() {
    let Some(mut run) = run() else { return };
    run.anon(0, 3)
        .ok(&write(0, 2, 5))
        .ok(&FORK)
        .has_pages(MAIN, "aa.")
        .has_pages(CHILD, "aa.")
        .ok(&write(0, 1, 6))
        .has_pages(MAIN, "Aa.")
        .has_pages(CHILD, "Aa.")
        .expect_in(CHILD, &read(0, 1), byte(5))
        .expect(&read(0, 1), byte(6));
}

#[test]
fn last_owner_reuses_the_page() {
    let Some(mut run) = run() else { return };
    run.anon(0, 1)
        .ok(&write(0, 1, 5))
        .ok(&FORK)
        .expect_in(CHILD, &Call::Exit, Outcome::OK)
        .has_pages(MAIN, "A")
        .ok(&write(0, 1, 6));
    assert_eq!(run.live.processes(), [MAIN]);
}

#[test]
fn zero_pages_without_anon_vma_are_not_copied() {
    let Some(mut run) = run() else { return };
    run.anon(0, 2)
        .expect(&read(0, 2), byte(0))
        .has_pages(MAIN, "aa")
        .ok(&FORK)
        .has_pages(CHILD, "..");
}

#[test]
fn shared_memory_is_shared() {
    let Some(mut run) = run() else { return };
    run.map(0, 2, MapFlags::SHARED | MapFlags::ANONYMOUS)
        .ok(&FORK)
        .expect_in(CHILD, &write(0, 1, 9), Outcome::OK)
        .expect(&read(0, 1), byte(9))
        .has_pages(MAIN, "f.");
    let snapshot = run.snapshot(MAIN);
    assert_eq!(snapshot.vmas[0].file.as_deref(), Some("/dev/zero"));
}

#[test]
fn dontfork_leaves_a_hole() {
    let Some(mut run) = run() else { return };
    run.anon(0, 3)
        .ok(&advice(1, 1, Advice::Dontfork))
        .ok(&FORK)
        .has_vmas(CHILD, &["0+1 rw-p ac", "2+1 rw-p ac"]);
}

#[test]
fn clones_share_the_address_space() {
    let Some(mut run) = run() else { return };
    let clone = Call::Fork {
        child: CHILD,
        share: true,
    };
    run.ok(&clone)
        .anon(0, 1)
        .expect_in(CHILD, &write(0, 1, 3), Outcome::OK)
        .expect(&read(0, 1), byte(3))
        .has_vmas(CHILD, &["0+1 rw-p ac"]);
}

#[test]
fn a_childs_faulted_memory_does_not_grow() {
    let Some(mut run) = run() else { return };
    run.anon(0, 1).ok(&write(0, 1, 1)).ok(&FORK);
    let SyscallRange { addr, len } = at(1, 1);
    let next = Call::Mmap(MmapArgs {
        addr,
        len,
        prot: Prot::READ | Prot::WRITE,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    });
    let value = Outcome::Value(addr.get());
    run.expect_in(CHILD, &next, value)
        .has_vmas(CHILD, &["0+1 rw-p ac", "1+1 rw-p ac"])
        .expect(&next, value)
        .has_vmas(MAIN, &["0+2 rw-p ac"]);
}
