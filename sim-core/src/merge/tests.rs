//! Merging, case by case: the facts that the kernel's own tests of `mm/vma.c` assert, and every
//! reason for a refusal.

use crate::store::NoMemory;
use crate::testing::{Attr, BASE, World, page_range};
use crate::{
    Attributes, Backing, Features, FileId, FileRef, MappedKind, NewRangeRequest, PageOffset,
    PageRange, Policy, Profile, VmFlags, VmaHooks,
};

/// A merge of a range: a new one, or a part of the VMA `V`.
struct Case {
    before: &'static str,
    attrs: &'static str,
    /// First page of the range, and the page after its last one.
    range: (u64, u64),
    /// Attributes of the range; a part of a VMA has that VMA's, and these.
    wants: &'static str,
    after: &'static str,
    /// Attributes that VMAs have afterwards: flags and anon_vmas.
    then: &'static str,
    /// Reasons on the left and on the right; `-` for a side that merges.
    reasons: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Existing,
}

#[track_caller]
fn check(profile: Profile, kind: Kind, case: &Case) {
    let mut world = World::new(profile);
    world.lay_out(case.before, case.attrs);
    run(&mut world, kind, case);
    assert_eq!(world.layout(), case.after, "layout");
    for (name, attrs) in Attr::parse_list(case.then) {
        for attr in attrs {
            check_attr(&mut world, name, &attr);
        }
    }
    world.check();
}

#[track_caller]
fn check_attr(world: &mut World, name: char, attr: &Attr) {
    let id = world.id(name);
    match attr {
        Attr::Anon(anon) => {
            let anon = world.anon(*anon);
            assert_eq!(world.mm.vma(id).anon_vma(), Some(anon), "{name}");
        }
        Attr::Flag(flag) => assert!(world.mm.vma(id).flags().contains(*flag), "{name} {flag:?}"),
        Attr::NoFlag(flag) => {
            assert!(!world.mm.vma(id).flags().contains(*flag), "{name} {flag:?}");
        }
        Attr::Pgoff(page) => {
            let wanted = PageOffset::new(page + BASE.page_number());
            assert_eq!(world.mm.vma(id).pgoff(), wanted, "{name}");
        }
        other => panic!("{other:?} is not checked"),
    }
}

/// Runs the merge and checks the reasons.
#[track_caller]
fn run(world: &mut World, kind: Kind, case: &Case) {
    world.mm.events.set_enabled(true);
    let range = page_range(case.range.0, case.range.1);
    let wants: Vec<Attr> = case
        .wants
        .split(',')
        .filter(|text| !text.is_empty())
        .map(Attr::parse)
        .collect();
    let result = match kind {
        Kind::New => new_range(world, range, &wants),
        Kind::Existing => existing_range(world, range, &wants),
    };
    result.expect("memory is not short");
    let event = world.mm.events.take().into_iter().next();
    let Some(crate::Event::Merge(report)) = event else {
        panic!("a merge was considered: {event:?}");
    };
    let name = |side: Result<(), crate::Refusal>| side.map_or_else(crate::Refusal::id, |()| "-");
    let reasons = [name(report.decision.left), name(report.decision.right)].join(" ");
    assert_eq!(reasons, case.reasons, "reasons");
}

/// The attributes of a VMA with changes.
fn changed<'a>(
    mut base: Attributes<'a>,
    wants: &[Attr],
    name: &'a crate::AnonName,
) -> Attributes<'a> {
    for want in wants {
        match want {
            Attr::Flag(flag) => base.flags |= *flag,
            Attr::NoFlag(flag) => base.flags.remove(*flag),
            Attr::Policy => base.policy = Some(Policy::Bind(1)),
            Attr::Uffd => {
                base.uffd = Some(crate::UffdCtxId(std::num::NonZeroU32::MIN));
                base.flags |= VmFlags::UFFD_MISSING;
            }
            Attr::Name => base.anon_name = Some(name),
            Attr::File(file) => {
                base.backing = Backing::File(FileRef {
                    id: FileId(u32::from(*file)),
                    kind: MappedKind::Memfd,
                });
            }
            Attr::Pgoff(_) | Attr::Anon(_) | Attr::Fork | Attr::Close => {}
        }
    }
    base
}

fn new_range(world: &mut World, range: PageRange, wants: &[Attr]) -> Result<(), NoMemory> {
    let pgoff = wants.iter().find_map(|want| match want {
        Attr::Pgoff(page) => Some(page + BASE.page_number()),
        _ => None,
    });
    let name = crate::AnonName::from("name");
    let flags = VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_FLAGS;
    let request = NewRangeRequest {
        range,
        pgoff: PageOffset::new(pgoff.unwrap_or(range.start().page_number())),
        attributes: changed(Attributes::new(flags, Backing::Anon), wants, &name),
        copied_from: None,
        just_expand: false,
    };
    let flags = request.attributes.flags;
    let merged = world.mm.merge_new_range(&mut world.pages, &request)?;
    if merged.is_some() {
        // The counters are the caller's.
        world.mm.counters_mut().add(flags, range.pages());
    }
    Ok(())
}

fn existing_range(world: &mut World, range: PageRange, wants: &[Attr]) -> Result<(), NoMemory> {
    let name = crate::AnonName::from("name");
    let id = world.id('V');
    let attributes = changed(Attributes::of(world.mm.vma(id)), wants, &name);
    let decision = world.mm.plan_modify(id, range, &attributes);
    let considered = super::Considered {
        range,
        existing: true,
        flags: attributes.flags,
        scene: None,
    };
    world
        .mm
        .apply_merge(&mut world.pages, &decision, considered)
        .map(drop)
}

macro_rules! cases {
    ($($test:ident: $profile:ident $kind:ident $before:literal ($attrs:literal) $start:literal..$end:literal ($wants:literal) => $after:literal ($then:literal) $reasons:literal;)+) => {
        $(#[test]
        fn $test() {
            check(Profile::$profile, Kind::$kind, &Case {
                before: $before, attrs: $attrs, range: ($start, $end), wants: $wants,
                after: $after, then: $then, reasons: $reasons,
            });
        })+
    };
}

cases! {
    // Simple cases.
    m01_simple_merge: V6_19 New "A.B" ("") 1..2 ("") => "AAA" ("A:@0") "- -";
    new_after_prev: V6_19 New "AA" ("") 2..4 ("") => "AAAA" ("A:@0") "- not_adjacent";
    new_before_next: V6_19 New "..BB" ("") 0..2 ("") => "BBBB" ("B:@0") "not_adjacent -";
    new_alone: V6_19 New "A....B" ("") 2..3 ("") => "A....B" ("") "not_adjacent not_adjacent";

    // Special flags: the set is IO, DONTEXPAND, PFNMAP, MIXEDMAP.
    m15_io: V6_19 New "AAA" ("A:io") 3..4 ("io") => "AAA" ("") "special_mapping special_mapping";
    m15_dontexpand: V6_19 New "AAA" ("A:de") 3..4 ("de") => "AAA" ("") "special_mapping special_mapping";
    m15_pfnmap: V6_19 New "AAA" ("A:pf") 3..4 ("pf") => "AAA" ("") "special_mapping special_mapping";
    m15_mixedmap: V6_19 New "AAA" ("A:mm") 3..4 ("mm") => "AAA" ("") "special_mapping special_mapping";
    m16_io: V6_19 Existing "AAAV" ("A:io V:io") 3..4 ("") => "AAAV" ("") "special_mapping special_mapping";
    m16_dontexpand: V6_19 Existing "AAAV" ("A:de V:de") 3..4 ("") => "AAAV" ("") "special_mapping special_mapping";
    m16_pfnmap: V6_19 Existing "AAAV" ("A:pf V:pf") 3..4 ("") => "AAAV" ("") "special_mapping special_mapping";
    m16_mixedmap: V6_19 Existing "AAAV" ("A:mm V:mm") 3..4 ("") => "AAAV" ("") "special_mapping special_mapping";

    // Close hooks.
    m17_next_close: V6_19 New "PPP..NNNN" ("N:close") 3..5 ("") => "PPPPPNNNN" ("") "- close_hook";
    m18_middle_close_left: V6_19 Existing "PPPVV" ("V:close") 3..5 ("") => "PPPVV" ("") "close_hook not_adjacent";
    m19_middle_close_right: V6_19 Existing "...VVNNNN" ("V:close") 3..5 ("") => "...VVNNNN" ("") "not_adjacent close_hook";
    m20_middle_close_both: V6_19 Existing "PPPVVNNNN" ("V:close") 3..5 ("") => "PPPVVNNNN" ("") "close_hook close_hook";
    m21_next_close_both: V6_19 Existing "PPPVVNNNN" ("N:close") 3..5 ("") => "PPPPPNNNN" ("") "- close_hook";
    m22_both_close: V6_19 New "PP...NN" ("P:close N:close") 2..5 ("") => "PPPPPNN" ("") "- close_hook";
    close_of_grown_next: V6_19 New "..NN" ("N:close") 0..2 ("") => "NNNN" ("") "not_adjacent -";

    // A part of a VMA.
    m23_right_partial: V6_19 Existing "..VVVVNNN" ("V:D,close N:close") 3..6 ("") => "..VNNNNNN" ("N:D,@3 V:D,@2") "not_adjacent -";
    m24_right_full: V6_19 Existing "..VVVVNNN" ("V:D N:close") 2..6 ("") => "..NNNNNNN" ("N:D,@2") "not_adjacent -";
    m25_left_partial: V6_19 Existing "PPPVVVV" ("P:close V:D,close") 3..6 ("") => "PPPPPPV" ("P:D,@0 V:D,@6") "- not_adjacent";
    m26_left_full: V6_19 Existing "PPPVVVV" ("P:close V:D") 3..7 ("") => "PPPPPPP" ("P:D,@0") "- not_adjacent";
    m27_both: V6_19 Existing "PPPVVVVNN" ("P:close V:D") 3..7 ("") => "PPPPPPPPP" ("P:D,@0") "- -";
    m28_interior_4_5: V6_19 Existing "PPPVVVVVNN" ("") 4..5 ("") => "PPPVVVVVNN" ("") "not_adjacent not_adjacent";
    m28_interior_5_6: V6_19 Existing "PPPVVVVVNN" ("") 5..6 ("") => "PPPVVVVVNN" ("") "not_adjacent not_adjacent";
    m28_interior_6_7: V6_19 Existing "PPPVVVVVNN" ("") 6..7 ("") => "PPPVVVVVNN" ("") "not_adjacent not_adjacent";
    m28_interior_4_7: V6_19 Existing "PPPVVVVVNN" ("") 4..7 ("") => "PPPVVVVVNN" ("") "not_adjacent not_adjacent";
    m28_interior_4_6: V6_19 Existing "PPPVVVVVNN" ("") 4..6 ("") => "PPPVVVVVNN" ("") "not_adjacent not_adjacent";

    // anon_vmas.
    m29_sides_differ: V6_19 Existing "PPPVVVVNN" ("P:D N:E") 3..7 ("") => "PPPPPPPNN" ("P:D N:E") "- anon_vma_differs";
    m30_sides_differ_new: V6_19 New "PPP....NN" ("P:D N:E") 3..7 ("") => "PPPPPPPNN" ("P:D N:E") "- anon_vma_differs";
    m31_dup_from_next: V6_19 New "PPP..NN" ("N:D") 3..5 ("") => "PPPPPPP" ("P:D") "- -";
    m32_dup_from_next_existing: V6_19 Existing "PPPVVNNN" ("N:D") 3..5 ("") => "PPPPPPPP" ("P:D") "- -";
    m33_dup_from_middle: V6_19 Existing "PPPVVNNN" ("V:D") 3..5 ("") => "PPPPPPPP" ("P:D") "- -";
    m34_dup_partial_left: V6_19 Existing "PPPVVVVV" ("V:D") 3..5 ("") => "PPPPPVVV" ("P:D V:D") "- not_adjacent";
    m35_dup_partial_right: V6_19 Existing "VVVVVNNN" ("V:D") 3..5 ("") => "VVVNNNNN" ("N:D V:D") "not_adjacent -";
    same_anon_vma_merges: V6_19 Existing "PPVVNN" ("P:D V:D N:D") 2..4 ("") => "PPPPPP" ("P:D") "- -";
    other_anon_vma_left: V6_19 Existing "PPVV" ("P:D V:E") 2..4 ("") => "PPVV" ("") "anon_vma_differs not_adjacent";
    forked_prev_refuses_new: V6_19 New "PP" ("P:fork") 2..4 ("") => "PP" ("") "anon_vma_forked not_adjacent";
    forked_next_refuses_new: V6_19 New "..NN" ("N:fork") 0..2 ("") => "..NN" ("") "not_adjacent anon_vma_forked";
    forked_middle_keeps_off_unfaulted: V6_19 Existing "PPVV" ("V:fork") 2..4 ("") => "PPVV" ("") "anon_vma_forked not_adjacent";
    forked_prev_keeps_off_unfaulted: V6_19 Existing "PPVV" ("P:fork") 2..4 ("") => "PPVV" ("") "anon_vma_forked not_adjacent";

    // Before 6.16 an unfaulted VMA took in no faulted one.
    unfaulted_target_6_15: V6_15 Existing "PPVV" ("V:D") 2..4 ("") => "PPVV" ("") "anon_vma_forked not_adjacent";
    unfaulted_target_6_16: V6_16 Existing "PPVV" ("V:D") 2..4 ("") => "PPPP" ("P:D") "- not_adjacent";
    unfaulted_middle_6_15: V6_15 Existing "PPVV" ("P:D") 2..4 ("") => "PPPP" ("P:D") "- not_adjacent";
    unfaulted_range_6_15: V6_15 New "PP..NN" ("N:D") 2..4 ("") => "PPPPPP" ("P:D") "- -";

    // Every other reason.
    flags: V6_19 New "A..B" ("A:-wr B:ex") 1..3 ("") => "A..B" ("") "flags_differ flags_differ";
    pgoff: V6_19 New "A..B" ("A:@5 B:@9") 1..3 ("") => "A..B" ("") "pgoff_not_contiguous pgoff_not_contiguous";
    file: V6_19 New "A..B" ("A:f B:g") 1..3 ("f") => "AAAB" ("") "- file_differs";
    anon_and_file: V6_19 New "A..B" ("A:f") 1..3 ("") => "ABBB" ("") "file_differs -";
    policy: V6_19 New "A..B" ("A:pol") 1..3 ("") => "ABBB" ("") "policy_differs -";
    uffd: V6_19 New "A..B" ("A:uffd B:uffd") 1..3 ("um") => "A..B" ("") "uffd_ctx_differs uffd_ctx_differs";
    name: V6_19 New "A..B" ("A:name") 1..3 ("name") => "AAAB" ("") "- anon_name_differs";
    change_policy: V6_19 Existing "PPVVNN" ("P:pol") 2..4 ("pol") => "PPPPNN" ("") "- policy_differs";
    change_name: V6_19 Existing "PPVVNN" ("N:name") 3..4 ("name") => "PPVNNN" ("N:@3") "not_adjacent -";
    change_uffd: V6_19 Existing "PPVVNN" ("N:uffd") 2..4 ("uffd") => "PPNNNN" ("N:@2") "flags_differ -";

    // Sticky flags.
    guard_in_prev: V6_19 New "A.B" ("A:gu") 1..2 ("") => "AAA" ("A:gu") "- -";
    guard_in_next: V6_19 New "A.B" ("B:gu") 1..2 ("") => "AAA" ("A:gu") "- -";
    guard_in_range: V6_19 New "A.B" ("") 1..2 ("gu") => "AAA" ("A:gu") "- -";
    guard_not_sticky_6_18: V6_18 New "A.B" ("A:gu") 1..2 ("") => "ABB" ("B:-gu") "flags_differ -";
    soft_dirty_sticky: V6_19 Existing "PPVV" ("V:sd") 2..4 ("") => "PPPP" ("P:sd") "- not_adjacent";
    soft_dirty_lost_6_18: V6_18 Existing "PPVV" ("V:sd") 2..4 ("") => "PPPP" ("P:-sd") "- not_adjacent";
}

#[test]
fn m05_to_m13_sequence() {
    for bits in 0..16_u32 {
        let [s, a, b, c] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        let gu = |on: bool| if on { "gu" } else { "rd" };
        let mut world = World::new(Profile::V6_19);
        let attrs = format!(
            "A:close,{0} B:D,{1} E:D,close,{3} C:D,{2}",
            gu(s || a),
            gu(s || b),
            gu(s || c),
            gu(s)
        );
        world.lay_out("AA.B...EE..C", &attrs);
        let wants = gu(s);
        let mut step = |start, end, after: &str, target: char, sticky: bool| {
            if after == "AAAAAAAAA..C" {
                // E is to go: its hook is taken away.
                let id = world.id('E');
                world.mm.vma_mut(id).set_hooks(VmaHooks::empty());
            }
            let wants = [Attr::parse(wants)];
            new_range(&mut world, page_range(start, end), &wants).expect("no limit");
            assert_eq!(world.layout(), after);
            let flags = world.mm.vma(world.id(target)).flags();
            assert_eq!(
                flags.contains(VmFlags::MAYBE_GUARD),
                sticky,
                "{bits:#b} {after}"
            );
            let anon = world.anon('D');
            assert_eq!(world.mm.vma(world.id(target)).anon_vma(), Some(anon));
            world.check();
        };
        step(2, 3, "AAAA...EE..C", 'A', s || a || b);
        step(4, 5, "AAAAA..EE..C", 'A', s || a || b);
        step(6, 7, "AAAAA.EEE..C", 'E', s);
        step(5, 6, "AAAAAAAAA..C", 'A', s || a || b);
        step(10, 11, "AAAAAAAAA.CC", 'C', s || c);
        step(9, 10, "AAAAAAAAAAAA", 'A', s || a || b || c);
    }
}

#[test]
fn m14_special_set() {
    let set = VmFlags::IO | VmFlags::DONTEXPAND | VmFlags::PFNMAP | VmFlags::MIXEDMAP;
    assert_eq!(VmFlags::SPECIAL, set);
}

#[test]
fn m23_to_m27_sticky_permutations() {
    // Kind of merge, layout, range, who may bring the flag, target.
    let rows = [
        ("..VVVVNNN", (3, 6), "VN", 'N'),
        ("..VVVVNNN", (2, 6), "VN", 'N'),
        ("PPPVVVV", (3, 6), "PV", 'P'),
        ("PPPVVVV", (3, 7), "PV", 'P'),
        ("PPPVVVVNN", (3, 7), "PVN", 'P'),
    ];
    for (layout, range, from, target) in rows {
        for bits in 0..8_u32 {
            let sticky: String = "PVN"
                .chars()
                .zip(0..)
                .filter(|(_, bit)| bits >> bit & 1 != 0)
                .map(|(name, _)| name)
                .collect();
            let attrs: Vec<_> = sticky.chars().map(|name| format!("{name}:gu")).collect();
            let mut world = World::new(Profile::V6_19);
            world.lay_out(layout, &attrs.join(" "));
            existing_range(&mut world, page_range(range.0, range.1), &[]).expect("no limit");
            let flags = world.mm.vma(world.id(target)).flags();
            assert_eq!(
                flags.contains(VmFlags::MAYBE_GUARD),
                sticky.chars().any(|name| from.contains(name)),
                "{layout} {range:?} {sticky}"
            );
            world.check();
        }
    }
}

/// Every single failing allocation leaves a merge undone and everything as it was.
#[test]
fn m36_m37_failing_allocations_change_nothing() {
    let rows = [
        (Kind::Existing, "PPPVV", "V:D", (3, 5)),
        (Kind::Existing, "PPPVVVVNN", "N:D", (3, 7)),
        (Kind::Existing, "VVVNN", "V:D", (1, 3)),
        (Kind::New, "PPP..NN", "N:D", (3, 5)),
        (Kind::New, "PPP..NN", "", (3, 5)),
    ];
    for (kind, layout, attrs, range) in rows {
        let mut failures = 0;
        for nth in 1.. {
            let mut world = World::new(Profile::V6_19);
            world.lay_out(layout, attrs);
            let before = world.dump();
            world.mm.fail_points().arm(nth);
            let range = page_range(range.0, range.1);
            let result = match kind {
                Kind::New => new_range(&mut world, range, &[]),
                Kind::Existing => existing_range(&mut world, range, &[]),
            };
            let left = world.mm.fail_points().is_armed();
            world.mm.fail_points().disarm();
            world.check();
            if left {
                result.expect("nothing failed");
                break;
            }
            assert_eq!(result, Err(NoMemory));
            assert_eq!(world.dump(), before, "{layout} {attrs} {nth}");
            failures += 1;
        }
        assert!(failures > 0, "something could fail");
    }
}

#[test]
fn m38_extend_takes_in_the_next_one() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("A..B", "");
    let id = world.id('A');
    let merged = world.mm.merge_extend(&mut world.pages, id, 2);
    assert_eq!(merged, Ok(Some(id)));
    assert_eq!(world.layout(), "AAAA");
}

/// Growing in place keeps the VMA's own anon_vma, so that a fork child can grow.
#[test]
fn extend_of_a_fork_child() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("A..B", "A:fork");
    let id = world.id('A');
    assert_eq!(world.mm.merge_extend(&mut world.pages, id, 1), Ok(Some(id)));
    assert_eq!(world.layout(), "AA.B");
}

#[test]
fn m39_expand_only_ignores_the_right() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("AA.PP....N", "");
    let flags = world.mm.vma(world.id('P')).flags();
    let range = page_range(5, 9);
    let request = NewRangeRequest {
        range,
        pgoff: PageOffset::new(range.start().page_number()),
        attributes: Attributes::new(flags, Backing::Anon),
        copied_from: None,
        just_expand: true,
    };
    let merged = world.mm.merge_new_range(&mut world.pages, &request);
    assert_eq!(merged, Ok(Some(world.id('P'))));
    assert_eq!(world.layout(), "AA.PPPPPPN");
}

#[test]
fn sticky_features() {
    let sticky = |profile: Profile| {
        let features: Features = profile.features();
        (features.ignored_by_merge(), features.sticky())
    };
    let (gu, sd) = (VmFlags::MAYBE_GUARD, VmFlags::SOFTDIRTY);
    assert_eq!(sticky(Profile::V6_18), (sd, VmFlags::empty()));
    assert_eq!(sticky(Profile::V6_19), (sd | gu, sd | gu));
}
