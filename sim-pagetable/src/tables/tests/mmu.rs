//! A dump of the tables is walked by MMUs written from the architecture manuals alone.

use std::collections::HashMap;

use super::{page, put, range, tables};
use crate::{Access, Arch, Arm64, Entry, EntryView, Marker, PageSize, PageTables, Pfn, Sharing};
use crate::{SwapSlot, Va, X86_64};

type Memory = HashMap<u64, Box<[u64]>>;

/// What an MMU grants user mode at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Grant {
    physical: u64,
    write: bool,
    exec: bool,
}

/// Intel SDM volume 3, 4.5.4 and 4.6.
fn walk_x86(memory: &Memory, cr3: u64, va: u64) -> Option<Grant> {
    let (mut table, mut write, mut exec) = (cr3, true, true);
    for level in (1..=4).rev() {
        let shift = 12 + 9 * (level - 1);
        let entry = memory[&table][(va >> shift & 511) as usize];
        let bit = |n: u32| entry >> n & 1 == 1;
        if !bit(0) {
            return None;
        }
        assert!(bit(2), "supervisor entry in user space");
        write &= bit(1);
        exec &= !bit(63);
        assert!(level == 1 || level == 2 || !bit(7), "reserved bit");
        let base = entry & 0x000f_ffff_ffff_f000;
        if level == 1 || bit(7) {
            let offset = va & ((1 << shift) - 1);
            assert_eq!(base & ((1 << shift) - 1), 0, "frame is not aligned");
            return Some(Grant {
                physical: base | offset,
                write,
                exec,
            });
        }
        table = base;
    }
    unreachable!("level 1 returns")
}

/// Arm Architecture Reference Manual, D8.3 (VMSAv8-64 descriptors), 4 KiB granule.
fn walk_arm64(memory: &Memory, ttbr0: u64, va: u64) -> Option<Grant> {
    let mut table = ttbr0;
    for level in 0..=3 {
        let shift = 39 - 9 * level;
        let descriptor = memory[&table][(va >> shift & 511) as usize];
        let bit = |n: u32| descriptor >> n & 1 == 1;
        if !bit(0) {
            return None;
        }
        let address = descriptor & 0x0000_ffff_ffff_f000;
        if level < 3 && bit(1) {
            assert!(!bit(60) && !bit(61) && !bit(62), "hierarchical limits");
            table = address;
            continue;
        }
        assert!(level == 2 || level == 3 && bit(1), "reserved descriptor");
        assert_eq!(address & ((1 << shift) - 1), 0, "frame is not aligned");
        assert_eq!(descriptor >> 8 & 3, 3, "not inner shareable");
        if !bit(10) || !bit(6) {
            return None;
        }
        return Some(Grant {
            physical: address | (va & ((1 << shift) - 1)),
            write: !bit(7),
            exec: !bit(54),
        });
    }
    unreachable!("level 3 returns")
}

fn check<A: Arch>(
    tables: &PageTables<A>,
    vas: &[u64],
    walk: fn(&Memory, u64, u64) -> Option<Grant>,
) {
    let memory: Memory = (tables.dump().into_iter())
        .map(|table| (table.pfn.phys(), table.entries))
        .collect();
    for &va in vas {
        let va = va + 0x123;
        let expected = match tables.entry(Va::new(va)).view() {
            EntryView::Present(e) if !e.prot_none && (e.young || A::NAME == "x86_64") => {
                let offset = match e.size {
                    PageSize::Base => va & 0xfff,
                    PageSize::Huge => va & 0x1f_ffff,
                };
                // Hardware sees a clean writable page of arm64 as read-only.
                let write = e.write && (e.dirty || A::NAME == "x86_64");
                let physical = e.pfn.phys() + offset;
                Some(Grant {
                    physical,
                    write,
                    exec: e.exec,
                })
            }
            _ => None,
        };
        let granted = walk(&memory, tables.root().phys(), va);
        assert_eq!(granted, expected, "{va:#x}");
    }
}

fn fill<A: Arch>() -> (PageTables<A>, Vec<u64>) {
    let tables = tables::<A>();
    let mut vas = vec![0, 0x7000_0000_0000];
    let mut next = 0x7f_ffff_e000;
    let mut add = |entry: Entry<A>| {
        put(&tables, Va::new(next), entry);
        vas.push(next);
        next += 0x1000;
    };
    for bits in 0..8 {
        for sharing in [Sharing::Private, Sharing::Shared] {
            let access = Access {
                read: bits & 1 != 0,
                write: bits & 2 != 0,
                exec: bits & 4 != 0,
            };
            let entry = Entry::page(Pfn::new(0x5_0000 + bits), A::page_prot(access, sharing));
            for entry in [entry, entry.mk_dirty(), entry.mk_old(), entry.wrprotect()] {
                add(entry);
                add(entry.with_uffd_wp(true));
                add(entry.with_soft_dirty(true));
            }
        }
    }
    for bits in 1..8 {
        add(Entry::marker(Marker::from_bits_truncate(bits)));
    }
    for bit in 0..50 {
        add(Entry::swap(SwapSlot {
            device: 3,
            offset: 1 << bit,
        }));
    }
    let huge = 0x5540_0000_0000;
    let slot = tables.pmd_alloc(Va::new(huge)).unwrap();
    let EntryView::Present(e) = page::<A>(1).view() else {
        panic!()
    };
    assert!(e.write);
    let prot = super::read_write::<A>();
    slot.install_huge(Entry::huge(Pfn::new(0x8000), prot).mk_dirty(), None);
    drop(slot);
    vas.extend(range(huge, 512).page_addresses().map(Va::get));
    (tables, vas)
}

#[test]
fn an_mmu_translates_every_page_as_the_simulator_does() {
    let (tables, vas) = fill::<X86_64>();
    check(&tables, &vas, walk_x86);
    let (tables, vas) = fill::<Arm64>();
    check(&tables, &vas, walk_arm64);
}
