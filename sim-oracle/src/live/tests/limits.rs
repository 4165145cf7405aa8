//! Limits.

use super::*;

fn lock(pages: u64) -> Call {
    Call::Mlock {
        range: at(0, pages),
        onfault: false,
    }
}

#[test]
fn locked_memory_is_limited() {
    let Some(mut run) = run_with(|setup| setup.limits.memlock = Some(Bytes::from_pages(2))) else {
        return;
    };
    run.anon(0, 4)
        .expect(&lock(3), errno(Errno::ENOMEM))
        .ok(&lock(2))
        .ok(&lock(2))
        .has_vmas(MAIN, &["0+2 rw-p lo ac", "2+2 rw-p ac"])
        .has_pages(MAIN, "AA..");
}

#[test]
fn privilege_lifts_the_limit() {
    let Some(mut run) = run_with(|setup| {
        setup.limits.memlock = Some(Bytes::from_pages(1));
        setup.limits.privileged = true;
    }) else {
        return;
    };
    run.anon(0, 4).ok(&lock(4));
}

#[test]
fn own_memory_does_not_count() {
    let Some(mut run) = run_with(|setup| {
        setup.limits.address_space = Some(Bytes::from_pages(5));
        setup.limits.memlock = Some(Bytes::from_pages(5));
    }) else {
        return;
    };
    run.anon(0, 5)
        .expect(
            &Call::Mlockall(sim_core::MlockallFlags::CURRENT),
            Outcome::OK,
        )
        .ok(&Call::Munlockall)
        .ok(&lock(5));
    let SyscallRange { addr, len } = at(8, 1);
    let one_more = Call::Mmap(MmapArgs {
        addr,
        len,
        prot: Prot::READ,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    });
    run.expect(&one_more, errno(Errno::ENOMEM));
}

#[test]
fn vmas_are_counted_without_the_workers_own() {
    let Some(mut run) = run_with(|setup| setup.limits.max_map_count = 4) else {
        return;
    };
    // mmap may reach one more than the limit; splits may not.
    for page in 0..5 {
        run.anon(2 * page, 1);
    }
    let SyscallRange { addr, len } = at(20, 1);
    let one_more = Call::Mmap(MmapArgs {
        addr,
        len,
        prot: Prot::READ,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    });
    run.expect(&one_more, errno(Errno::ENOMEM));
}
