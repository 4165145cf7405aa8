//! What a VMA costs, all told: the store's nodes, the VMA itself, and what is held in reserve.
#![cfg(target_os = "linux")]

use sim_core::{
    Bytes, Call, Limits, MapFlags, MmapArgs, Outcome, PAGE_SIZE, Pid, Prot, Setup, VirtAddr,
};
use sim_fork::new_machine;

const VMAS: u64 = 1_000_000;
/// Bytes that a VMA may cost.
const MOST: u64 = 200;

/// Memory that this process uses, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = status.split_whitespace().nth(1).expect("it has 7 numbers");
    pages.parse::<u64>().expect("a number") * PAGE_SIZE
}

/// Maps a VMA with gaps around it.
fn map(number: u64) -> Call {
    Call::Mmap(MmapArgs {
        addr: VirtAddr::new(0x1000_0000_0000 + number * 4 * PAGE_SIZE),
        len: Bytes(3 * PAGE_SIZE),
        prot: Prot::READ | Prot::WRITE,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    })
}

#[track_caller]
fn check(how: &str, order: impl Iterator<Item = u64>) {
    let setup = Setup {
        limits: Limits {
            max_map_count: u32::MAX,
            ..Limits::default()
        },
        ..Setup::default()
    };
    let before = resident();
    let mut machine = new_machine(&setup).expect("a machine");
    for number in order {
        let outcome = machine.call(Pid::MAIN, &map(number));
        assert!(matches!(outcome, Ok(Outcome::Value(_))), "{outcome:?}");
    }
    assert_eq!(machine.map_count(Pid::MAIN), Ok(VMAS as usize));
    let each = resident().saturating_sub(before) / VMAS;
    println!("{how}: {each} bytes a VMA");
    assert!(each < MOST, "{how}: {each} bytes a VMA");
}

// One test, since what other tests use would count too.
#[test]
fn a_vma_costs_less_than_200_bytes() {
    // A step that has no factor in common with their number leads to each of them.
    check("at random", (0..VMAS).map(|i| i * 618_033 % VMAS));
    check("ascending", 0..VMAS);
}
