//! Encodings against raw values of running kernels, against independent crates, and against a
//! model of the logical state.

use ::x86_64::structures::paging::PageTableFlags as X86;
use aarch64_paging::descriptor::El1Attributes as Arm;

use super::*;
use crate::{
    DeviceKind, Entry, EntryView, Marker, MigrationEntry, MigrationKind, PresentEntry, SwapEntry,
    SwapSlot,
};

const ACCESSES: [Access; 8] = {
    let mut all = [Access {
        read: false,
        write: false,
        exec: false,
    }; 8];
    let mut i = 0;
    while i < 8 {
        all[i] = Access {
            read: i & 1 != 0,
            write: i & 2 != 0,
            exec: i & 4 != 0,
        };
        i += 1;
    }
    all
};
const SHARINGS: [Sharing; 2] = [Sharing::Private, Sharing::Shared];
/// One bit of each kind of place, and everything.
const PFNS: [u64; 6] = [512, 1024, 1 << 20, 1 << 32, 1 << 33, (1 << 34) - 512];

fn prots<A: Arch>() -> impl Iterator<Item = (Access, Sharing, PageProt)> {
    ACCESSES
        .into_iter()
        .flat_map(|access| SHARINGS.map(|sharing| (access, sharing, A::page_prot(access, sharing))))
}

#[test]
fn markers_and_swap_have_the_kernels_bits() {
    #[track_caller]
    fn check<A: Arch>(entry: Entry<A>, raw: u64) {
        assert_eq!(entry.raw(), raw, "{entry:?}");
    }
    let slot = |device, offset| SwapSlot { device, offset };
    check::<X86_64>(Entry::marker(Marker::GUARD), 0xffff_ffff_ffff_f600);
    check::<X86_64>(Entry::marker(Marker::POISON), 0xffff_ffff_ffff_fa00);
    check::<X86_64>(Entry::marker(Marker::UFFD_WP), 0xffff_ffff_ffff_fc00);
    check::<X86_64>(Entry::swap(slot(0, 1)), 0x07ff_ffff_ffff_fc00);
    check::<X86_64>(Entry::swap(slot(1, 5)), 0x0fff_ffff_ffff_f400);
    check::<X86_64>(
        Entry::swap(slot(0, 1)).with_swp_exclusive(true),
        0x07ff_ffff_ffff_fc08,
    );
    check::<Arm64>(Entry::marker(Marker::GUARD), 0x47c0);
    check::<Arm64>(Entry::marker(Marker::POISON), 0x27c0);
    check::<Arm64>(Entry::marker(Marker::UFFD_WP), 0x17c0);
    check::<Arm64>(Entry::swap(slot(1, 5)), 0x5040);
    check::<Arm64>(Entry::swap(slot(1, 5)).with_swp_exclusive(true), 0x5044);
}

#[test]
fn x86_protections_agree_with_the_x86_64_crate() {
    for (access, sharing, prot) in prots::<X86_64>() {
        if access == Access::default() {
            assert_eq!(prot.bits(), (X86::ACCESSED | X86::GLOBAL).bits());
            continue;
        }
        let mut flags = X86::PRESENT | X86::USER_ACCESSIBLE | X86::ACCESSED;
        flags.set(X86::WRITABLE, access.write && sharing == Sharing::Shared);
        flags.set(X86::NO_EXECUTE, !access.exec);
        assert_eq!(prot.bits(), flags.bits(), "{access:?} {sharing:?}");
        let dirty = X86_64NoSoftDirty::mk_dirty(X86_64NoSoftDirty::mk_write(prot.bits()));
        let written = flags | X86::WRITABLE | X86::DIRTY;
        assert_eq!(dirty, written.bits());
        let huge = X86_64::leaf(Pfn::new(1 << 20), prot, PageSize::Huge);
        assert_eq!(huge, (flags | X86::HUGE_PAGE).bits() | 1 << 32);
    }
    let table = X86::PRESENT | X86::WRITABLE | X86::USER_ACCESSIBLE | X86::ACCESSED | X86::DIRTY;
    assert_eq!(X86_64::table(Pfn::new(7)), table.bits() | 7 << 12);
}

#[test]
fn arm64_protections_agree_with_the_aarch64_paging_crate() {
    let page = Arm::VALID
        | Arm::TABLE_OR_PAGE
        | Arm::INNER_SHAREABLE
        | Arm::ACCESSED
        | Arm::NON_GLOBAL
        | Arm::READ_ONLY
        | Arm::PXN;
    for (access, sharing, prot) in prots::<Arm64>() {
        let mut flags = page;
        if access == Access::default() {
            flags = (flags | Arm::UXN) - Arm::VALID;
        } else {
            flags.set(Arm::USER, true);
            flags.set(Arm::DBM, access.write && sharing == Sharing::Shared);
            flags.set(Arm::UXN, !access.exec);
        }
        assert_eq!(prot.bits(), flags.bits() as u64, "{access:?} {sharing:?}");
        let block = Arm64::leaf(Pfn::new(1 << 20), prot, PageSize::Huge);
        let block_flags = flags - Arm::TABLE_OR_PAGE;
        assert_eq!(block, block_flags.bits() as u64 | 1 << 32);
    }
    let table = Arm::VALID | Arm::TABLE_OR_PAGE | Arm::ACCESSED | Arm::PXN_TABLE;
    assert_eq!(Arm64::table(Pfn::new(7)), table.bits() as u64 | 7 << 12);
}

/// What a present entry logically is; the operations on it, written from what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Logical(PresentEntry);

#[derive(Clone, Copy, Debug)]
enum Op {
    Write,
    Wrprotect,
    Dirty,
    /// A store by the program.
    HardwareWrite,
    Clean,
    Young,
    Old,
    Special,
    SoftDirty(bool),
    UffdWp(bool),
    Modify(Access, Sharing),
}

fn ops() -> Vec<Op> {
    let mut ops = vec![
        Op::Write,
        Op::Wrprotect,
        Op::Dirty,
        Op::HardwareWrite,
        Op::Clean,
        Op::Young,
        Op::Old,
        Op::Special,
    ];
    ops.extend([true, false].map(Op::SoftDirty));
    ops.extend([true, false].map(Op::UffdWp));
    for access in ACCESSES {
        ops.extend(SHARINGS.map(|sharing| Op::Modify(access, sharing)));
    }
    ops
}

impl Logical {
    fn new<A: Arch>(pfn: Pfn, access: Access, sharing: Sharing, size: PageSize) -> Self {
        let blank = PresentEntry {
            pfn,
            size,
            prot_none: false,
            write: false,
            exec: false,
            young: true,
            dirty: false,
            soft_dirty: false,
            uffd_wp: false,
            special: false,
        };
        Self(blank).apply::<A>(Op::Modify(access, sharing))
    }

    fn apply<A: Arch>(mut self, op: Op) -> Self {
        let e = &mut self.0;
        match op {
            Op::Write => e.write = true,
            Op::Wrprotect => e.write = false,
            Op::Dirty => {
                e.dirty = true;
                e.soft_dirty |= A::SOFT_DIRTY != 0;
            }
            Op::HardwareWrite => e.dirty |= e.write,
            Op::Clean => e.dirty = false,
            Op::Young => e.young = true,
            Op::Old => e.young = false,
            Op::Special => e.special = true,
            Op::SoftDirty(on) => e.soft_dirty = on && A::SOFT_DIRTY != 0,
            Op::UffdWp(on) => {
                e.uffd_wp = on;
                e.write &= !on;
            }
            Op::Modify(access, sharing) => {
                e.prot_none = access == Access::default();
                e.write = access.write && sharing == Sharing::Shared;
                e.exec = access.exec;
            }
        }
        self
    }
}

fn apply<A: Arch>(entry: Entry<A>, op: Op) -> Entry<A> {
    match op {
        Op::Write => entry.mk_write(),
        Op::Wrprotect => entry.wrprotect(),
        Op::Dirty => entry.mk_dirty(),
        Op::HardwareWrite => hardware_write(entry),
        Op::Clean => entry.mk_clean(),
        Op::Young => entry.mk_young(),
        Op::Old => entry.mk_old(),
        Op::Special => entry.mk_special(),
        Op::SoftDirty(on) => entry.with_soft_dirty(on),
        Op::UffdWp(on) => entry.with_uffd_wp(on),
        Op::Modify(access, sharing) => entry.modify(A::page_prot(access, sharing)),
    }
}

/// What the MMU does to an entry that lets a store through: Intel SDM 4.8, Arm ARM D8.4 (DBM).
fn hardware_write<A: Arch>(entry: Entry<A>) -> Entry<A> {
    let raw = entry.raw();
    if !entry.is_writable() {
        return entry;
    }
    Entry::from_raw(if A::NAME == "x86_64" {
        raw | 1 << 6
    } else {
        raw & !(1 << 7)
    })
}

/// All entries reached by three operations from a fresh one agree with the logical model.
fn check_operations<A: Arch>(size: PageSize) {
    let pfn = Pfn::new(0x12_3456 << 9);
    let ops = ops();
    for (access, sharing, prot) in prots::<A>() {
        let fresh = match size {
            PageSize::Base => Entry::<A>::page(pfn, prot),
            PageSize::Huge => Entry::<A>::huge(pfn, prot),
        };
        let logical = Logical::new::<A>(pfn, access, sharing, size);
        assert_eq!(fresh.view(), EntryView::Present(logical.0));
        for (&a, &b, &c) in triples(&ops) {
            // Only Linux's own combinations: nothing makes a PROT_NONE entry writable.
            let mut steps = vec![(fresh, logical)];
            for op in [a, b, c] {
                let (entry, logical) = *steps.last().expect("starts with one");
                if logical.0.prot_none && matches!(op, Op::Write) {
                    break;
                }
                steps.push((apply(entry, op), logical.apply::<A>(op)));
            }
            for (entry, logical) in steps {
                let seen = entry.view();
                assert_eq!(seen, EntryView::Present(logical.0), "{a:?} {b:?} {c:?}");
                check_hardware::<A>(entry, logical.0);
            }
        }
    }
}

fn triples<T>(items: &[T]) -> impl Iterator<Item = (&T, &T, &T)> {
    items.iter().flat_map(move |a| {
        items
            .iter()
            .flat_map(move |b| items.iter().map(move |c| (a, b, c)))
    })
}

/// No shadow-stack entries on x86; on arm64 the table of dirty states of the manual.
fn check_hardware<A: Arch>(entry: Entry<A>, e: PresentEntry) {
    let raw = entry.raw();
    let bit = |n: u32| raw >> n & 1 != 0;
    if A::NAME == "x86_64" {
        assert!(
            bit(1) || !bit(6),
            "write-protected and hardware-dirty: {entry:?}"
        );
        assert!(!(bit(6) && bit(58)), "dirty twice: {entry:?}");
    } else if e.write {
        assert_eq!(bit(7), !e.dirty, "writable: read-only iff clean: {entry:?}");
    } else {
        assert!(
            bit(7),
            "not writable to Linux but to the hardware: {entry:?}"
        );
        assert_eq!(bit(55), e.dirty, "{entry:?}");
    }
}

#[test]
fn operations_agree_with_the_logical_model() {
    for size in [PageSize::Base, PageSize::Huge] {
        check_operations::<X86_64>(size);
        check_operations::<X86_64NoSoftDirty>(size);
        check_operations::<Arm64>(size);
    }
}

fn check_split<A: Arch>() {
    let head = Pfn::new(0x5600);
    for (_, _, prot) in prots::<A>() {
        for op in ops() {
            let huge = apply(Entry::<A>::huge(head, prot), op);
            for index in [0, 1, 511] {
                let EntryView::Present(whole) = huge.view() else {
                    panic!("{huge:?}")
                };
                let part = PresentEntry {
                    pfn: head.add(index),
                    size: PageSize::Base,
                    ..whole
                };
                assert_eq!(huge.split_page(index).view(), EntryView::Present(part));
            }
        }
    }
}

#[test]
fn pages_of_a_split_huge_page_have_its_state() {
    check_split::<X86_64>();
    check_split::<Arm64>();
}

fn check_non_present<A: Arch>() {
    let bools = [false, true];
    for (pfn, kind) in PFNS.into_iter().map(Pfn::new).flat_map(|pfn| {
        use MigrationKind::{Read, ReadExclusive, Write};
        [Read, ReadExclusive, Write].map(|kind| (pfn, kind))
    }) {
        for bits in 0..16 {
            let [young, dirty, soft, uffd_wp] = [0, 1, 2, 3].map(|i| bits >> i & 1 != 0);
            let entry = Entry::<A>::migration(kind, pfn)
                .with_soft_dirty(soft)
                .with_uffd_wp(uffd_wp)
                .with_migration_state(young, dirty);
            let soft_dirty = soft && A::SOFT_DIRTY != 0;
            let view = MigrationEntry {
                kind,
                pfn,
                young,
                dirty,
                soft_dirty,
                uffd_wp,
            };
            assert_eq!(entry.view(), EntryView::Migration(view));
        }
    }
    for device in 0..Entry::<A>::SWAP_DEVICES {
        for offset in (0..A::SWP_OFFSET_BITS).map(|bit| 1 << bit) {
            for (exclusive, soft) in bools.into_iter().flat_map(|a| bools.map(|b| (a, b))) {
                for uffd_wp in bools {
                    let slot = SwapSlot { device, offset };
                    let entry = Entry::<A>::swap(slot)
                        .with_swp_exclusive(exclusive)
                        .with_soft_dirty(soft)
                        .with_uffd_wp(uffd_wp);
                    let soft_dirty = soft && A::SOFT_DIRTY != 0;
                    let view = SwapEntry {
                        slot,
                        exclusive,
                        soft_dirty,
                        uffd_wp,
                    };
                    assert_eq!(entry.view(), EntryView::Swap(view));
                    assert!(!A::is_valid(entry.raw()) && A::table_pfn(entry.raw()).is_none());
                }
            }
        }
    }
    for bits in 1..8 {
        let marker = Marker::from_bits_truncate(bits);
        let entry = Entry::<A>::marker(marker).with_soft_dirty(true);
        assert_eq!(entry.view(), EntryView::Marker(marker));
        assert_eq!(entry.is_guard(), bits & 4 != 0);
        assert_eq!(entry.uffd_wp(), bits & 1 != 0);
    }
    for pfn in PFNS.map(Pfn::new) {
        let poison = Entry::<A>::hw_poison(pfn);
        assert_eq!(poison.view(), EntryView::HwPoison(pfn));
        for kind in [
            DeviceKind::PrivateWrite,
            DeviceKind::PrivateRead,
            DeviceKind::Exclusive,
        ] {
            let device = Entry::<A>::device(kind, pfn);
            assert_eq!(device.view(), EntryView::Device(kind, pfn));
        }
        let table = A::table(pfn);
        assert_eq!(A::table_pfn(table), Some(pfn));
    }
    assert_eq!(Entry::<A>::NONE.view(), EntryView::None);
}

#[test]
fn non_present_entries_decode_to_what_they_were_made_of() {
    check_non_present::<X86_64>();
    check_non_present::<X86_64NoSoftDirty>();
    check_non_present::<Arm64>();
}

#[test]
fn prot_none_inverts_the_frame_on_x86() {
    let prot = X86_64::page_prot(Access::default(), Sharing::Private);
    for pfn in PFNS.map(Pfn::new) {
        for size in [PageSize::Base, PageSize::Huge] {
            let raw = X86_64::leaf(pfn, prot, size);
            assert_ne!(raw & 0x000f_ffff_ffe0_0000, pfn.phys());
            assert_eq!(X86_64::pfn(raw), pfn);
        }
    }
}
