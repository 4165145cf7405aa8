//! The VMA half of fork.

use super::check;
use crate::store::NoMemory;
use crate::testing::World;
use crate::{
    CopyOnFork, Features, ForkOps, NoPages, PageOffset, PageRange, Profile, VirtAddr, VmFlags, Vma,
    vma_needs_copy,
};

#[test]
fn child_flags_and_counters() {
    let script = "map 0..2 rw; lock 0..1; map 4..6 r; advise 4..6 dontfork; map 8..9 rw; fork";
    let world = check("child", script, "0..1 rw | 1..2 rw | 8..9 rw");
    assert_eq!(world.flags_at(0), "rd wr mr mw me ac");
    assert_eq!(world.mm.counters().locked_vm, 0);
    assert_eq!(world.mm.counters().total_vm, 3);
    assert_eq!(world.parents[0].counters().locked_vm, 1);
}

#[test]
fn wiped_vma_has_no_anon_vma() {
    let world = check(
        "wiped",
        "map 0..2 rw; write 0; advise 0..2 wipeonfork; fork",
        "0..2 rw wf",
    );
    let (_, vma) = world.mm.iter().next().expect("one VMA");
    assert_eq!(vma.anon_vma(), None);
}

#[test]
fn chains_grow_by_one_a_generation() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..1 rw; write 0");
    for generation in 1..6 {
        let (_, vma) = world.mm.iter().next().expect("one VMA");
        assert_eq!(vma.chain_len(), generation);
        assert_eq!(vma.is_fork_child(), generation > 1);
        world.script("fork");
    }
    // Processes end, oldest first and youngest first.
    let mut pages = NoPages::default();
    for mm in &mut world.parents {
        mm.exit(&mut pages);
    }
    world.parents.clear();
    world.check();
    world.mm.exit(&mut pages);
    world.check();
    assert_eq!(world.mm.anon_vmas().count(), 0);
    assert_eq!(world.mm.commit().committed(), 0);
}

/// A child whose parent is gone has its place taken by its own child: chains do not grow for ever.
#[test]
fn chains_reuse_what_nobody_owns() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..1 rw; write 0");
    let mut pages = NoPages::default();
    let mut longest = 0;
    for _generation in 0..10 {
        world.script("fork");
        let mut parent = world.parents.pop().expect("just forked");
        parent.exit(&mut pages);
        world.check();
        let (_, vma) = world.mm.iter().next().expect("one VMA");
        longest = vma.chain_len().max(longest);
    }
    assert_eq!(longest, 3);
}

/// Who needs page tables copied, by feature.
#[test]
fn needs_copy() {
    let range = PageRange::from_pages(VirtAddr::new(0x10000), 1);
    let vma = |flags| Vma::new(range, PageOffset::new(0), flags, crate::Backing::Anon);
    let (gu, wp, pf) = (VmFlags::MAYBE_GUARD, VmFlags::UFFD_WP, VmFlags::PFNMAP);
    let none = VmFlags::empty();
    // Parent's flags, child's flags, then: legacy, guard, source, child.
    let rows = [
        (none, none, [false, false, false, false]),
        (pf, pf, [true, true, true, true]),
        (gu, gu, [false, true, true, true]),
        (wp, none, [false, false, true, false]),
        (wp, wp, [true, true, true, true]),
        (gu, none, [false, true, true, false]),
    ];
    for (parent, child, expected) in rows {
        for (&(name, copy_on_fork), expected) in CopyOnFork::NAMES.iter().zip(expected) {
            let features = Features {
                copy_on_fork,
                ..Profile::V6_19.features()
            };
            let got = vma_needs_copy(&vma(child), &vma(parent), &features);
            assert_eq!(got, expected, "{name} {parent:?} {child:?}");
        }
    }
}

/// Copying fails at the n-th VMA.
struct FailingCopy(u32);

impl ForkOps for FailingCopy {
    fn copy_pages(&mut self, _parent: &Vma, _child: &Vma) -> Result<(), NoMemory> {
        self.0 -= 1;
        if self.0 == 0 { Err(NoMemory) } else { Ok(()) }
    }
}

#[test]
fn failed_copy_leaves_nothing() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..1 rw; write 0; map 2..3 rw; write 2");
    let before = world.dump();
    for nth in 1..=2 {
        assert!(world.mm.fork(&mut FailingCopy(nth)).is_err());
        assert_eq!(world.dump(), before);
        world.check();
    }
}
