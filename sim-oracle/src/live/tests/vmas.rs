//! VMAs: merging, moving, placing.

use sim_core::{MremapArgs, MremapFlags};

use super::*;

fn mremap(page: u64, pages: u64, to: u64) -> Call {
    let SyscallRange { addr, len } = at(page, pages);
    Call::Mremap(MremapArgs {
        addr,
        old_len: len,
        new_len: len,
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
        new_addr: at(to, 1).addr,
    })
}

#[test]
fn a_run_starts_empty() {
    let Some(mut run) = run() else { return };
    assert_eq!(run.snapshot(MAIN), Snapshot::default());
}

#[test]
fn neighbours_merge_and_split() {
    let Some(mut run) = run() else { return };
    let protect = |prot| Call::Mprotect {
        range: at(1, 1),
        prot,
        pkey: None,
    };
    run.anon(0, 1)
        .anon(2, 1)
        .anon(1, 1)
        .has_vmas(MAIN, &["0+3 rw-p ac"])
        .ok(&protect(Prot::READ))
        .has_vmas(MAIN, &["0+1 rw-p ac", "1+1 r--p", "2+1 rw-p ac"])
        .ok(&protect(Prot::READ | Prot::WRITE))
        .has_vmas(MAIN, &["0+3 rw-p ac"]);
}

#[test]
fn separately_faulted_neighbours_stay_apart() {
    let Some(mut run) = run() else { return };
    run.anon(0, 1)
        .anon(2, 1)
        .ok(&write(0, 1, 1))
        .ok(&write(2, 1, 1))
        .anon(1, 1)
        .has_vmas(MAIN, &["0+2 rw-p ac", "2+1 rw-p ac"]);
}

#[test]
fn moved_memory_comes_back_whole() {
    let Some(mut run) = run() else { return };
    run.anon(0, 3)
        .ok(&write(0, 3, 4))
        .expect(&mremap(1, 1, 8), Outcome::Value(at(8, 1).addr.get()))
        .has_vmas(MAIN, &["0+1 rw-p ac", "2+1 rw-p ac", "8+1 rw-p ac"])
        .expect(&mremap(8, 1, 1), Outcome::Value(at(1, 1).addr.get()))
        .has_vmas(MAIN, &["0+3 rw-p ac"])
        .has_pages(MAIN, "AAA");
}

#[test]
fn several_vmas_move_at_once() {
    let Some(mut run) = run() else { return };
    run.anon(0, 1)
        .anon(2, 1)
        .expect(&mremap(0, 3, 8), Outcome::Value(at(8, 1).addr.get()))
        .has_vmas(MAIN, &["8+1 rw-p ac", "10+1 rw-p ac"])
        .expect(&mremap(0, 3, 16), errno(Errno::EFAULT));
}

#[test]
fn seals_hold() {
    let Some(mut run) = run() else { return };
    run.anon(0, 3)
        .ok(&Call::Mseal(at(1, 1)))
        .expect(&Call::Munmap(at(0, 3)), errno(Errno::EPERM))
        .has_vmas(MAIN, &["0+1 rw-p ac", "1+1 rw-p ac sl", "2+1 rw-p ac"]);
}

#[test]
fn addresses_are_chosen_downwards() {
    let Some(mut run) = run() else { return };
    let anywhere = |bytes| {
        Call::Mmap(MmapArgs {
            addr: VirtAddr::ZERO,
            len: Bytes(bytes),
            prot: Prot::READ,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
            file: None,
            offset: 0,
        })
    };
    let base = super::super::MMAP_BASE;
    run.expect(&anywhere(0x3000), Outcome::Value(base - 0x3000))
        .expect(&anywhere(0x1000), Outcome::Value(base - 0x4000))
        .expect(&anywhere(2 << 20), Outcome::Value(0x7fff_f7c0_0000));
}

#[test]
fn the_heap_is_where_it_is_said_to_be() {
    let Some(mut run) = run() else { return };
    let start = super::super::BRK_START;
    let brk = |to| Call::Brk(VirtAddr::new(to));
    run.expect(&brk(0), Outcome::Value(start))
        .expect(&brk(start + 0x2345), Outcome::Value(start + 0x2345))
        .expect(&brk(start - 1), Outcome::Value(start + 0x2345));
    let snapshot = run.snapshot(MAIN);
    assert_eq!(snapshot.vmas[0].range.pages(), 3);
    assert_eq!(snapshot.vmas[0].label, None);
}

#[test]
fn stacks_grow_by_faults() {
    let Some(mut run) = run() else { return };
    let kind = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::GROWSDOWN;
    run.map(300, 1, kind)
        .ok(&write(290, 1, 1))
        .has_vmas(MAIN, &["290+11 rw-p gd ac"])
        .anon(0, 1)
        .ok(&write(257, 1, 1))
        .expect(&write(256, 1, 1), SEGV);
}
