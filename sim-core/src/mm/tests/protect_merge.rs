//! mprotect, mlock and their like: what merges again and what does not.

use super::{check, scripts};
use crate::Profile;

scripts! {
    // What the kernel's own merge tests assert.
    s01_unfaulted_left: "map 1 11 rw; prot 1 6 r; touch 6; prot 6 11 r" => "1-11r";
    s02_unfaulted_right: "map 1 11 rw; prot 6 11 r; touch 1; prot 1 6 r" => "1-11r";
    s03_unfaulted_both: "map 2 11 rw; prot 2 5 r; prot 8 11 r; touch 5; prot 5 8 r" => "2-11r";
    s04_faulted_left_unfaulted_right: "map 2 11 rw; prot 8 11 r; touch 2; prot 2 5 r; prot 5 8 r" => "2-11r";
    s05_unfaulted_left_faulted_right: "map 2 11 rw; prot 2 5 r; touch 5; prot 8 11 r; prot 5 8 r" => "2-11r";
    s06_forked_target: "map 1 6 rw; touch 1; fork; touch 2; map 6 11 rw" => "1-6rw 6-11rw";
    s07_forked_source: "map 1 6 rw; touch 1; fork; map 6 11 rwx; prot 1 6 rwx" => "1-6rwx 6-11rwx";
    s09_adjacent: "map 1 2 rw; map 2 3 rw" => "1-3rw";

    // Where a VMA is cut, and how it comes together.
    m02_middle_splits: "map 0 3 rw; prot 1 2 r" => "0-1rw 1-2r 2-3rw";
    middle_and_back: "map 0 3 rw; prot 1 2 r; prot 1 2 rw" => "0-3rw";
    faulted_middle_and_back: "map 0 3 rw; touch 0; prot 1 2 r; prot 1 2 rw" => "0-3rw";
    head: "map 0 3 rw; prot 0 1 r" => "0-1r 1-3rw";
    head_into_prev: "map 0 2 r; map 2 5 rw; prot 2 4 r" => "0-4r 4-5rw";
    tail_into_next: "map 0 3 rw; map 3 5 r; prot 1 3 r" => "0-1rw 1-5r";
    over_several: "map 0 2 rw; map 2 4 r; map 4 6 rwx; prot 0 6 r" => "0-6r";
    over_a_part_of_several: "map 0 2 rw; map 2 4 r; map 4 6 rwx; prot 1 5 r" => "0-1rw 1-5r 5-6rwx";
    stops_at_a_hole: "map 0 2 rw; map 4 6 rw; prot 0 6 r !ENOMEM" => "0-2r 4-6rw";
    begins_in_a_hole: "map 2 4 rw; prot 0 4 r !ENOMEM" => "2-4rw";
    stops_at_a_seal: "map 0 2 rw; map 2 4 rwx; seal 2 4; prot 0 4 r !EPERM" => "0-2r 2-4rwx";
    sealed_even_without_change: "map 0 2 rw; seal 0 2; prot 0 2 rw !EPERM" => "0-2rw";
    two_faults_never_join: "map 0 1 rw; touch 0; map 2 3 rw; touch 2; map 1 2 rw" => "0-2rw 2-3rw";
    neighbours_share_an_anon_vma: "map 0 2 rw; map 2 4 rwx; touch 0; touch 2; prot 2 4 rw" => "0-4rw";
    file_continues: "map 0 4 r memfd; prot 1 2 rw; prot 1 2 r" => "0-4r";
    shared_anonymous_never_joins: "map 0 2 rw shared; map 2 4 rw shared" => "0-2rw 2-4rw";
    child_does_not_grow: "map 0 2 rw; touch 0; fork; map 2 4 rw" => "0-2rw 2-4rw";
    child_of_unfaulted_grows: "map 0 2 rw; fork; map 2 4 rw" => "0-4rw";
    child_splits_and_joins: "map 0 4 rw; touch 0; fork; prot 1 2 r; prot 1 2 rw" => "0-4rw";

    // Locks.
    lock_splits: "map 0 6 rw; lock 2 4" => "0-2rw 2-4rw 4-6rw";
    unlock_joins: "map 0 6 rw; lock 2 4; unlock 2 4" => "0-6rw";
    lock_stops_at_a_hole: "map 0 2 rw; map 4 6 rw; lock 0 6 !ENOMEM; lock 4 6; map 2 4 rw locked" => "0-6rw";
    onfault_is_another_flag: "map 0 4 rw; lock 0 2; onfault 2 4" => "0-2rw 2-4rw";
    special_is_not_locked: "map 0 2 rw pfnmap shared; lock 0 2" => "0-2rw";
    droppable_is_not_locked: "map 0 2 rw droppable; lock 0 1" => "0-2rw";

    // Other attributes.
    policy_splits: "map 0 6 rw; policy 2 4" => "0-2rw 2-4rw 4-6rw";
    policies_join: "map 0 6 rw; policy 2 4; policy 4 6; policy 0 2" => "0-6rw";
    name_splits: "map 0 6 rw; name 2 4 heap" => "0-2rw 2-4rw 4-6rw";
    names_join: "map 0 6 rw; name 2 4 heap; name 0 6 heap" => "0-6rw";
    advice_splits: "map 0 6 rw; advise 2 4 hugepage; advise 2 4 nohugepage; advise 0 6 nohugepage" => "0-6rw";
    seal_splits: "map 0 6 rw; seal 2 4" => "0-2rw 2-4rw 4-6rw";
    guard_spreads: "map 0 6 rw; guard 1; prot 1 2 r; prot 1 2 rw" => "0-6rw";
}

#[test]
fn accounting_keeps_apart() {
    // A VMA that was writable stays charged once it was faulted.
    check(
        Profile::V6_19,
        "map 0 2 rw reserve; touch 0; prot 0 2 r; map 2 4 r reserve",
        "0-2r 2-4r",
    );
    check(
        Profile::V6_19,
        "map 0 2 rw reserve; prot 0 2 r; map 2 4 r reserve",
        "0-4r",
    );
}

/// The switches of the profiles that scripts can show.
#[test]
fn features() {
    let unfaulted = "map 1 11 rw; prot 1 6 r; touch 6; prot 6 11 r";
    check(Profile::V6_15, unfaulted, "1-6r 6-11r");
    check(Profile::V6_16, unfaulted, "1-11r");
    let guarded = "map 0 4 rw; prot 0 2 r; guard 3; prot 0 2 rw";
    check(Profile::V6_18, guarded, "0-2rw 2-4rw");
    let world = check(Profile::V6_19, guarded, "0-4rw");
    assert_eq!(world.flags_at(0), "rd wr mr mw me gu nr");
}

/// Soft-dirty tracking: new VMAs have it; a merge may lose it unless it is sticky.
#[test]
fn soft_dirty() {
    use crate::testing::World;
    use crate::{MmConfig, Setup, VmFlags};
    for (sticky, flags) in [(true, "rd wr mr mw me nr sd"), (false, "rd wr mr mw me nr")] {
        let mut config = MmConfig::new(&Setup::default());
        assert!(config.soft_dirty);
        config.features.softdirty_sticky = sticky;
        let mut world = World::with_config(config);
        world.script("map 0 2 rw");
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
    world.script("map 10 12 rw; lock 0 2; lock 10 12; move 10 12 2; unlock 0 4");
    assert_eq!(world.spans(), "0-4rw");
    world.flags_at(0)
}

/// Without `modify_keeps_sticky` the caller overwrites what the merge kept.
#[test]
fn modify_keeps_sticky_feature() {
    use crate::testing::World;
    use crate::{MmConfig, Setup};
    for (keeps, flags) in [(true, "rd wr mr mw me gu nr"), (false, "rd wr mr mw me nr")] {
        let mut config = MmConfig::new(&Setup::default());
        config.soft_dirty = false;
        config.features.modify_keeps_sticky = keeps;
        let mut world = World::with_config(config);
        world.script("map 0 4 rw; prot 0 2 r; guard 3; prot 0 2 rw");
        assert_eq!(world.flags_at(0), flags);
    }
}
