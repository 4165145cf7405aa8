//! Single operations: which tables come and go, what is counted, what fails.

use sim_sync::prim::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Arc;

use super::{memory, page, put, range, tables};
use crate::{
    AllocGate, Arm64, Entry, Flush, Frames, HUGE_SIZE, Leaf, MoveRequest, NoMemory, PageTables,
    Pfn, TableCounts, Va, VaRange, X86_64,
};

const GIB: u64 = 1 << 30;

fn counts(puds: u64, pmds: u64, ptes: u64) -> TableCounts {
    TableCounts { ptes, pmds, puds }
}

#[test]
fn guards_over_a_gibibyte_cost_what_the_kernel_measures() {
    let tables = tables::<X86_64>();
    for run in tables.walk_alloc(VaRange::new(GIB, 2 * GIB)) {
        run.unwrap();
    }
    // 512 PTE tables and a PMD table, and the PUD table above.
    assert_eq!(tables.table_bytes(), (2052 + 4) << 10);
}

#[test]
fn tables_are_freed_between_floor_and_ceiling() {
    // Pages at 2 MiB and 6 MiB; the second is unmapped.
    let cases = [
        (0, 0, counts(0, 0, 0), "alone: all go"),
        (
            HUGE_SIZE + 4096,
            0,
            counts(1, 1, 1),
            "a VMA below, same PMD table",
        ),
        (0, 8 << 20, counts(1, 1, 1), "a VMA above, same PMD table"),
        (
            0,
            (6 << 20) + 8192,
            counts(1, 1, 2),
            "a VMA above, same PTE table",
        ),
        (0, GIB, counts(1, 0, 0), "a VMA above, same PUD table"),
    ];
    for (floor, ceiling, expected, why) in cases {
        let tables = tables::<X86_64>();
        let neighbour = Va::new(HUGE_SIZE);
        let victim = Va::new(6 << 20);
        put(&tables, neighbour, page(1));
        put(&tables, victim, page(2));
        let both = expected.ptes < 1;
        if let Leaf::Table(table) = tables.leaf(neighbour)
            && both
        {
            table.set(neighbour, Entry::NONE);
        }
        if let Leaf::Table(table) = tables.leaf(victim) {
            table.set(victim, Entry::NONE);
        }
        let start = if both { neighbour.get() } else { victim.get() };
        let range = VaRange::new(start, victim.get() + 4096);
        let flush = tables.free_tables(range, Va::new(floor), Va::new(ceiling));
        tables.flush(flush);
        assert_eq!(tables.counts(), expected, "{why}");
        tables.check_invariants().unwrap();
    }
}

#[test]
fn every_failing_allocation_leaves_tables_whole() {
    struct Nth(AtomicU32);
    impl AllocGate for Nth {
        fn allow(&self) -> bool {
            self.0.fetch_sub(1, Relaxed) != 1
        }
    }
    for nth in 2..=5 {
        let frames = Arc::new(Frames::new(100, Arc::new(Nth(AtomicU32::new(nth)))));
        let tables = PageTables::<X86_64>::new(frames.clone()).unwrap();
        let failed = tables.leaf_alloc(Va::new(GIB)).is_err();
        assert_eq!(failed, nth < 5);
        tables.check_invariants().unwrap();
        frames.check_invariants().unwrap();
        drop(tables);
        assert_eq!(frames.used(), 0);
    }
}

#[test]
fn tables_count_against_ram() {
    let frames = memory(3);
    let tables = PageTables::<Arm64>::new(frames.clone()).unwrap();
    assert_eq!(tables.leaf_alloc(Va::new(0)).unwrap_err(), NoMemory);
    assert_eq!(frames.used(), 3);
    assert_eq!(tables.counts(), counts(1, 1, 0));
}

#[test]
fn a_huge_page_keeps_a_table_for_its_split() {
    let tables = tables::<Arm64>();
    let va = Va::new(GIB);
    let entry = Entry::huge(Pfn::new(1 << 15), super::read_write::<Arm64>()).mk_dirty();
    let deposit = tables.alloc_pte_table().unwrap();
    let slot = tables.pmd_alloc(va).unwrap();
    slot.install_huge(entry, Some(deposit));
    assert_eq!(tables.counts(), counts(1, 1, 1));
    let (table, flush) = slot.split(|i| entry.split_page(i));
    assert_eq!(table.get(va.add(0x3000)), entry.split_page(3));
    drop(table);
    tables.flush(flush);
    assert_eq!(tables.counts(), counts(1, 1, 1));
    assert_eq!(tables.flush_stats().break_before_make(), 1);
    tables.check_invariants().unwrap();
}

#[test]
fn a_moved_huge_page_takes_its_own_deposit_only() {
    for deposits in [false, true] {
        let tables = tables::<X86_64>();
        let (anon, file) = (Va::new(GIB), Va::new(GIB + HUGE_SIZE));
        let entry = |pfn| Entry::huge(Pfn::new(pfn), super::read_write::<X86_64>());
        let install = |va, pfn, deposit| {
            let slot = tables.pmd_alloc(va).unwrap();
            slot.install_huge(entry(pfn), deposit);
        };
        install(anon, 1 << 15, Some(tables.alloc_pte_table().unwrap()));
        install(file, 1 << 16, None);
        let moving = if deposits { anon } else { file };
        let request = MoveRequest {
            from: range(moving.get(), 512),
            to: Va::new(4 * GIB),
            whole_tables: true,
            deposits,
        };
        let flush = tables.move_range(request, |e| e, |_, _| panic!("moves whole"));
        tables.flush(flush.unwrap());
        let anon = if deposits { request.to } else { anon };
        assert_eq!(tables.entry(anon), entry(1 << 15));
        let slot = tables.pmd(anon).unwrap();
        drop(slot.remove_huge(true));
        drop(slot);
        tables.check_invariants().unwrap();
        assert_eq!(tables.counts().ptes, 0);
    }
}

#[test]
fn an_empty_table_can_be_freed_and_a_full_one_not() {
    let tables = tables::<X86_64>();
    let va = Va::new(GIB);
    put(&tables, va, page(1));
    assert!(tables.free_table_if_empty(va).is_none());
    put(&tables, va, Entry::NONE);
    tables.flush(tables.free_table_if_empty(va).unwrap());
    assert_eq!(tables.counts(), counts(1, 1, 0));
    assert!(tables.free_table_if_empty(va).is_none());
    tables.check_invariants().unwrap();
}

#[test]
fn whole_tables_move_at_once_if_both_ends_are_aligned() {
    let cases = [
        (GIB, 4 * GIB, true, 0),
        (GIB, 4 * GIB + HUGE_SIZE, true, 0),
        (GIB, 4 * GIB + 4096, true, 512),
        (GIB, 4 * GIB, false, 512),
    ];
    for (from, to, whole_tables, seen) in cases {
        let tables = tables::<X86_64>();
        for va in range(from, 512).page_addresses() {
            put(&tables, va, page(va.get() >> 12));
        }
        let mut entries = 0;
        let request = MoveRequest {
            from: VaRange::new(from, from + GIB),
            to: Va::new(to),
            whole_tables,
            deposits: true,
        };
        let count = |entry| {
            entries += 1;
            entry
        };
        let flush = tables.move_range(request, count, |_, _| panic!("no huge page"));
        tables.flush(flush.unwrap());
        assert_eq!(entries, seen, "{request:?}");
        for (old, i) in range(from, 512).page_addresses().zip(0..) {
            assert!(tables.entry(old).is_none());
            let new = Va::new(to).add(i * 4096);
            assert_eq!(tables.entry(new), page(old.get() >> 12));
        }
        tables.check_invariants().unwrap();
    }
}

#[test]
fn long_flushes_are_full_ones() {
    let tables = tables::<X86_64>();
    tables.flush(Flush::of(range(GIB, 33)));
    tables.flush(Flush::of(range(GIB, 30)).join(Flush::of(range(GIB + (30 << 12), 4))));
    tables.flush(Flush::none());
    let stats = tables.flush_stats();
    assert_eq!((stats.flushes(), stats.pages(), stats.full()), (2, 33, 1));
}

#[test]
fn copy_on_write_flushes_only_live_translations() {
    let tables = tables::<Arm64>();
    let va = Va::new(GIB);
    for (entry, flushed) in [(page(1), 0), (page(2), 1), (Entry::NONE, 2), (page(3), 2)] {
        let Ok(Leaf::Table(table)) = tables.leaf_alloc(va) else {
            panic!("no table")
        };
        let (_, flush) = table.replace(va, entry);
        tables.flush(flush);
        assert_eq!(tables.flush_stats().pages(), flushed);
        assert_eq!(tables.flush_stats().break_before_make(), flushed);
    }
}

#[test]
fn threads_meet_in_the_same_tables() {
    let frames = memory(1 << 16);
    frames.set_concurrent(true);
    let tables = PageTables::<X86_64>::new(frames.clone()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let tables = &tables;
            scope.spawn(move || {
                for i in 0..4000 {
                    let va = Va::new(GIB + (i * 2 + thread) * 4096 * 16);
                    put(tables, va, page(i));
                }
            });
        }
    });
    assert_eq!(tables.counts(), counts(1, 1, 250));
    tables.check_invariants().unwrap();
    frames.check_invariants().unwrap();
}
