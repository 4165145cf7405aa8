//! mprotect, mlock and their like: what merges again and what does not.

use super::{check, check_on, scripts};
use crate::Profile;

scripts! {
    // Where a VMA is cut, and how it comes together.
    m02_middle_splits: "map 0..3 rw; protect 1..2 r" => "0..1 rw | 1..2 r | 2..3 rw";
    middle_and_back: "map 0..3 rw; protect 1..2 r; protect 1..2 rw" => "0..3 rw";
    faulted_middle_and_back: "map 0..3 rw; write 0; protect 1..2 r; protect 1..2 rw" => "0..3 rw";
    head: "map 0..3 rw; protect 0..1 r" => "0..1 r | 1..3 rw";
    head_into_prev: "map 0..2 r; map 2..5 rw; protect 2..4 r" => "0..4 r | 4..5 rw";
    tail_into_next: "map 0..3 rw; map 3..5 r; protect 1..3 r" => "0..1 rw | 1..5 r";
    over_several: "map 0..2 rw; map 2..4 r; map 4..6 rwx; protect 0..6 r" => "0..6 r";
    over_a_part_of_several: "map 0..2 rw; map 2..4 r; map 4..6 rwx; protect 1..5 r" => "0..1 rw | 1..5 r | 5..6 rwx";
    stops_at_a_hole: "map 0..2 rw; map 4..6 rw; protect 0..6 r = ENOMEM" => "0..2 r | 4..6 rw";
    begins_in_a_hole: "map 2..4 rw; protect 0..4 r = ENOMEM" => "2..4 rw";
    stops_at_a_seal: "map 0..2 rw; map 2..4 rwx; seal 2..4; protect 0..4 r = EPERM" => "0..2 r | 2..4 rwx sl";
    sealed_even_without_change: "map 0..2 rw; seal 0..2; protect 0..2 rw = EPERM" => "0..2 rw sl";
    two_faults_never_join: "map 0..1 rw; write 0; map 2..3 rw; write 2; map 1..2 rw" => "0..2 rw | 2..3 rw";
    neighbours_share_an_anon_vma: "map 0..2 rw; map 2..4 rwx; write 0; write 2; protect 2..4 rw" => "0..4 rw";
    file_continues: "map 0..4 r noreserve memfd; protect 1..2 rw; protect 1..2 r" => "0..4 r nr";
    shared_anonymous_never_joins: "map 0..2 rw shared; map 2..4 rw shared" => "0..2 rws | 2..4 rws";
    child_does_not_grow: "map 0..2 rw; write 0; fork; map 2..4 rw" => "0..2 rw | 2..4 rw";
    child_of_unfaulted_grows: "map 0..2 rw; fork; map 2..4 rw" => "0..4 rw";
    child_splits_and_joins: "map 0..4 rw; write 0; fork; protect 1..2 r; protect 1..2 rw" => "0..4 rw";

    // Locks.
    lock_splits: "map 0..6 rw; lock 2..4" => "0..2 rw | 2..4 rw lo | 4..6 rw";
    unlock_joins: "map 0..6 rw; lock 2..4; unlock 2..4" => "0..6 rw";
    lock_stops_at_a_hole: "map 0..2 rw; map 4..6 rw; lock 0..6 = ENOMEM; lock 4..6; map 2..4 rw locked" => "0..6 rw lo";
    onfault_is_another_flag: "map 0..4 rw; lock 0..2; onfault 2..4" => "0..2 rw lo | 2..4 rw lo lf";
    special_is_not_locked: "map 0..2 rw pfnmap shared; lock 0..2" => "0..2 rws pf io de dd";
    droppable_is_not_locked: "map 0..2 rw droppable; lock 0..1" => "0..2 rw nr wf dd dp";

    // Other attributes.
    policy_splits: "map 0..6 rw; bind 2..4 1" => "0..2 rw | 2..4 rw | 4..6 rw";
    policies_join: "map 0..6 rw; bind 2..4 1; bind 4..6 1; bind 0..2 1" => "0..6 rw";
    name_splits: "map 0..6 rw; name 2..4 heap" => "0..2 rw | 2..4 rw | 4..6 rw";
    names_join: "map 0..6 rw; name 2..4 heap; name 0..6 heap" => "0..6 rw";
    advice_splits: "map 0..6 rw; advise 2..4 hugepage; advise 2..4 nohugepage; advise 0..6 nohugepage" => "0..6 rw nh";
    seal_splits: "map 0..6 rw; seal 2..4" => "0..2 rw | 2..4 rw sl | 4..6 rw";
    guard_spreads: "map 0..6 rw; guard 1; protect 1..2 r; protect 1..2 rw" => "0..6 rw gu";
}

#[test]
fn accounting_keeps_apart() {
    // A VMA that was writable stays charged once it was faulted.
    check(
        "charged and faulted",
        "map 0..2 rw; write 0; protect 0..2 r; map 2..4 r",
        "0..2 r | 2..4 r",
    );
    check(
        "charged",
        "map 0..2 rw; protect 0..2 r; map 2..4 r",
        "0..4 r",
    );
}

/// The switches of the profiles that scripts can show.
#[test]
fn features() {
    let unfaulted = "map 1..11 rw noreserve; protect 1..6 r; write 6; protect 6..11 r";
    check_on(
        Profile::V6_15,
        "unfaulted",
        unfaulted,
        "1..6 r nr | 6..11 r nr",
    );
    check_on(Profile::V6_16, "unfaulted", unfaulted, "1..11 r nr");
    let guarded = "map 0..4 rw; protect 0..2 r; guard 3; protect 0..2 rw";
    check_on(Profile::V6_18, "guarded", guarded, "0..2 rw | 2..4 rw gu");
    let world = check("guarded", guarded, "0..4 rw gu");
    assert_eq!(world.flags_at(0), "rd wr mr mw me gu ac");
}

/// Soft-dirty tracking: new VMAs have it; a merge may lose it unless it is sticky.
#[test]
fn soft_dirty() {
    use crate::testing::World;
    use crate::{MmConfig, Setup, VmFlags};
    for (sticky, flags) in [(true, "rd wr mr mw me ac sd"), (false, "rd wr mr mw me ac")] {
        let mut config = MmConfig::new(&Setup::default());
        assert!(config.soft_dirty);
        config.features.softdirty_sticky = sticky;
        let mut world = World::with_config(config);
        world.script("map 0..2 rw");
        assert!(world.flags_at(0).ends_with("sd"));
        // clear_refs clears it in one VMA; the merge with the other brings it back, or not.
        let (id, _) = world.mm.iter().next().expect("a VMA");
        world.mm.vma_mut(id).remove_flags(VmFlags::SOFTDIRTY);
        let decision = sticky_after_join(&mut world);
        assert_eq!(decision, flags);
    }
}

/// Joins a VMA without `SOFTDIRTY` with one that has it, by moving the second one there.
fn sticky_after_join(world: &mut crate::testing::World) -> String {
    world.script(
        "map 10..12 rw; lock 0..2; lock 10..12; remap 10..12 2 maymove fixed to 2; unlock 0..4",
    );
    assert_eq!(world.mm.map_count(), 1);
    world.flags_at(0)
}

/// Without `modify_keeps_sticky` the caller overwrites what the merge kept.
#[test]
fn modify_keeps_sticky_feature() {
    use crate::testing::World;
    use crate::{MmConfig, Setup};
    for (keeps, flags) in [(true, "rd wr mr mw me gu ac"), (false, "rd wr mr mw me ac")] {
        let mut config = MmConfig::new(&Setup::default());
        config.soft_dirty = false;
        config.features.modify_keeps_sticky = keeps;
        let mut world = World::with_config(config);
        world.script("map 0..4 rw; protect 0..2 r; guard 3; protect 0..2 rw");
        assert_eq!(world.flags_at(0), flags);
    }
}
