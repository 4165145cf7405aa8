//! `VmPTE` after moves and unmaps, as measured on a running 6.18 kernel (x86_64, no huge pages).

use super::{page, put, range, tables};
use crate::{Entry, Leaf, MoveRequest, PageTables, Va, VaRange, X86_64};

type Tables = PageTables<X86_64>;

const A: u64 = 0x1000_0000_0000;
const B: u64 = 0x2000_0000_0000;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn bytes(start: u64, length: u64) -> VaRange {
    range(start, length / 4096)
}

fn unmap(tables: &Tables, range: VaRange, floor: u64, ceiling: u64) {
    for run in tables.walk(range) {
        if let Leaf::Table(table) = run.leaf {
            for slot in table.slots(run.range) {
                slot.set(Entry::NONE);
            }
        }
    }
    tables.flush(tables.free_tables(range, Va::new(floor), Va::new(ceiling)));
}

/// KiB after touching every `step` bytes of `from`, after moving it, and after unmapping first the
/// target, then the source (`MREMAP_DONTUNMAP`).
#[track_caller]
fn check_move(from: VaRange, step: u64, to: u64, expected: [u64; 4]) {
    let tables: Tables = tables();
    let length = from.end().get() - from.start().get();
    let kib = || tables.table_bytes() >> 10;
    for va in from.page_addresses().step_by((step / 4096) as usize) {
        put(&tables, va, page(1));
    }
    let mapped = kib();
    let request = MoveRequest {
        from,
        to: Va::new(to),
        whole_tables: true,
        deposits: true,
    };
    let flush = tables.move_range(request, |e| e, |_, _| panic!("no huge page"));
    tables.flush(flush.unwrap());
    let moved = kib();
    let target = bytes(to, length);
    // In one case the source is the neighbour below the target.
    let floor = if to < B { from.end().get() } else { 0 };
    unmap(&tables, target, floor, 0);
    let target_unmapped = kib();
    unmap(&tables, from, 0, 0);
    assert_eq!([mapped, moved, target_unmapped, kib()], expected);
    tables.check_invariants().unwrap();
}

#[test]
fn moves_allocate_as_the_kernel_does() {
    check_move(bytes(A, 4 * MIB), 4096, B, [16, 24, 8, 0]);
    check_move(bytes(A, 4 * MIB), 4096, B + 4096, [16, 36, 16, 0]);
    check_move(bytes(A, GIB), 512 * MIB, B, [16, 20, 4, 0]);
    check_move(bytes(A, GIB), 512 * MIB, B + 2 * MIB, [16, 24, 8, 0]);
    check_move(bytes(A + 4096, 2 * MIB), GIB, B + 8192, [12, 28, 12, 0]);
    check_move(bytes(A, 2 * MIB), GIB, B + 2 * MIB - 4096, [12, 28, 12, 0]);
    check_move(bytes(A, 2 * MIB), GIB, A + 64 * MIB, [12, 12, 8, 0]);
}

#[test]
fn a_move_that_may_start_below_its_range_takes_the_whole_table() {
    // The kernel aligns both ends down when nothing is mapped below (`try_realign_addr()`).
    let tables: Tables = tables();
    for va in bytes(A + 4096, 2 * MIB).page_addresses() {
        put(&tables, va, page(1));
    }
    let request = MoveRequest {
        from: bytes(A, 2 * MIB + 4096),
        to: Va::new(B),
        whole_tables: true,
        deposits: true,
    };
    let flush = tables.move_range(request, |e| e, |_, _| panic!("no huge page"));
    tables.flush(flush.unwrap());
    assert_eq!(tables.table_bytes() >> 10, 28);
    unmap(&tables, bytes(B + 4096, 2 * MIB), 0, 0);
    assert_eq!(tables.table_bytes() >> 10, 12);
}

#[test]
fn unmaps_free_as_the_kernel_does() {
    let tables: Tables = tables();
    let kib = || tables.table_bytes() >> 10;
    for offset in [0, 2 * MIB, 4 * MIB, 4 * MIB + 4096, 6 * MIB] {
        put(&tables, Va::new(A + offset), page(1));
    }
    assert_eq!(kib(), 24);
    // Range, the VMAs below and above, KiB afterwards.
    let steps = [
        (2 * MIB, 4096, 2 * MIB, 2 * MIB + 4096, 24),
        (2 * MIB + 4096, 2 * MIB - 4096, 2 * MIB, 4 * MIB, 20),
        (4 * MIB + 4096, 4096, 4 * MIB + 4096, 4 * MIB + 8192, 20),
        (6 * MIB, 2 * MIB, 6 * MIB, u64::MAX, 16),
        (0, 2 * MIB, 0, 4 * MIB, 12),
        (4 * MIB, 2 * MIB, 0, u64::MAX, 0),
    ];
    for (start, length, below, above, expected) in steps {
        let ceiling = if above == u64::MAX { 0 } else { A + above };
        let floor = if below == 0 { 0 } else { A + below };
        unmap(&tables, bytes(A + start, length), floor, ceiling);
        assert_eq!(kib(), expected, "{start:#x}");
    }
}
