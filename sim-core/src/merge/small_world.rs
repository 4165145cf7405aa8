//! Every merge of a small world: all neighbours that a changed or new range can have, against the
//! rules as a table, written without the plan's code.

use crate::testing::{Attr, World, page_range};
use crate::{Attributes, Backing, MergeCase, NewRangeRequest, PageOffset, Profile, VmFlags, Vma};

/// A neighbour's attributes; `-` is none, `.` is a gap.
const NEIGHBOURS: [&str; 9] = ["-", "rd", "D", "E", "fork", "ex", "close", "D,close", "@9"];

/// anon_vmas of the range in the middle.
const MIDDLES: [&str; 5] = ["rd", "D", "fork", "close", "D,close"];

/// What the rules say of one side: `None` is no merge.
fn side(neighbour: &str, middle: &str) -> bool {
    if matches!(neighbour, "-" | "ex" | "@9") {
        return false;
    }
    let anon = |text: &'static str, of: &str| of.split(',').any(|part| part == text);
    let own = |of: &str| ["D", "E", "fork"].into_iter().find(|&name| anon(name, of));
    match (own(neighbour), own(middle)) {
        (None, None) => true,
        (None, Some(name)) | (Some(name), None) => name != "fork",
        // Every forked VMA has an anon_vma of its own.
        (Some(ours), Some(theirs)) => ours == theirs && ours != "fork",
    }
}

/// The layout that the rules lead to, of `PPVVNN`.
fn expected_existing(prev: &str, middle: &str, next: &str) -> &'static str {
    let left = side(prev, middle);
    let mut right = side(next, middle);
    let differ = |a: &str, b: &str| {
        (a.contains('D') && b.contains('E')) || (a.contains('E') && b.contains('D'))
    };
    let forked = |a: &str, b: &str| {
        let faulted = |of: &str| of.contains(['D', 'E']) || of == "fork";
        (a == "fork" || b == "fork") && faulted(a) && faulted(b)
    };
    if left && right && (differ(prev, next) || forked(prev, next)) {
        right = false;
    }
    let closes = |of: &str| of.contains("close");
    if closes(middle) && (left || right) {
        return "PPVVNN";
    }
    match (left, right) {
        (true, true) if closes(next) => "PPPPNN",
        (true, true) => "PPPPPP",
        (true, false) => "PPPPNN",
        (false, true) => "PPNNNN",
        (false, false) => "PPVVNN",
    }
}

fn world_of(prev: &str, middle: Option<&str>, next: &str) -> (World, String) {
    let mut layout = String::new();
    layout.push_str(if prev == "-" { ".." } else { "PP" });
    layout.push_str(if middle.is_none() { ".." } else { "VV" });
    layout.push_str(if next == "-" { "" } else { "NN" });
    let mut attrs = String::new();
    for (name, text) in [('P', Some(prev)), ('V', middle), ('N', Some(next))] {
        if let Some(text) = text.filter(|&text| text != "-") {
            attrs.extend([name.to_string().as_str(), ":", text, " "]);
        }
    }
    let mut world = World::new(Profile::V6_19);
    world.lay_out(&layout, &attrs);
    (world, layout)
}

/// The expected layout with the VMAs that there are.
fn present(expected: &str, prev: &str, next: &str) -> String {
    let mut text = expected.to_owned();
    if prev == "-" {
        text = text.replace('P', ".");
    }
    if next == "-" {
        text = text.replace('N', "");
    }
    text
}

#[test]
fn every_change_of_a_whole_vma() {
    for prev in NEIGHBOURS {
        for middle in MIDDLES {
            for next in NEIGHBOURS {
                let (mut world, _) = world_of(prev, Some(middle), next);
                let id = world.id('V');
                let range = page_range(2, 4);
                let mut flags = world.mm.vma(id).flags();
                let merged = world
                    .mm
                    .vma_modify_flags(&mut world.pages, id, range, &mut flags)
                    .expect("no limit");
                let wanted = present(expected_existing(prev, middle, next), prev, next);
                assert_eq!(world.layout(), wanted, "{prev} | {middle} | {next}");
                assert!(world.mm.vma(merged).range().contains_range(range));
                keeps_anon_vma(&world, &[prev, middle, next], wanted.contains("VV"));
                world.check();
            }
        }
    }
}

/// Whoever holds pages of a faulted VMA has an anon_vma.
#[track_caller]
fn keeps_anon_vma(world: &World, parts: &[&str], apart: bool) {
    let faulted = |of: &&str| of.split(',').any(|part| matches!(part, "D" | "E" | "fork"));
    let count =
        |vmas: &mut dyn Iterator<Item = &Vma>| vmas.filter(|v| v.anon_vma().is_some()).count();
    let have = count(&mut world.mm.iter().map(|(_, vma)| vma));
    let had = parts.iter().filter(|part| faulted(part)).count();
    assert!(have > 0 || had == 0, "{parts:?}");
    assert!(!apart || have == had, "{parts:?}");
}

#[test]
fn every_new_range() {
    for prev in NEIGHBOURS {
        for next in NEIGHBOURS {
            let (mut world, before) = world_of(prev, None, next);
            let range = page_range(2, 4);
            let flags = VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_FLAGS;
            let request = NewRangeRequest {
                range,
                pgoff: PageOffset::new(range.start().page_number()),
                attributes: Attributes::new(flags, Backing::Anon),
                copied_from: None,
                just_expand: false,
            };
            let merged = world.mm.merge_new_range(&mut world.pages, &request);
            let merged = merged.expect("memory is not short");
            // The range is a middle that has nothing and can go.
            let expected = expected_existing(prev, "rd", next);
            let wanted = if expected == "PPVVNN" {
                before.trim_end_matches('.').to_owned()
            } else {
                present(expected, prev, next)
            };
            assert_eq!(world.layout(), wanted, "{prev} | new | {next}");
            assert_eq!(merged.is_some(), expected != "PPVVNN");
        }
    }
}

/// Each part of a VMA at its head or tail moves the boundary to the neighbour, if it merges.
#[test]
fn every_part_of_a_vma() {
    for neighbour in NEIGHBOURS.into_iter().filter(|&n| n != "-") {
        for middle in MIDDLES {
            for below in [true, false] {
                let layout = if below { "PPVVV" } else { "VVVNN" };
                let name = if below { 'P' } else { 'N' };
                let mut world = World::new(Profile::V6_19);
                world.lay_out(layout, &format!("{name}:{neighbour} V:{middle}"));
                let id = world.id('V');
                let range = if below {
                    page_range(2, 4)
                } else {
                    page_range(1, 3)
                };
                let attributes = Attributes::of(world.mm.vma(id));
                let plan = world.mm.plan_modify(id, range, &attributes).plan;
                // Pages 2 and 3 of a neighbour at offset 9 do not line up on either side.
                let merges = side(neighbour, middle);
                let case = plan.map(|plan| plan.case);
                let wanted = merges.then(|| {
                    let (middle, other) = (id, world.id(name));
                    if below {
                        MergeCase::HeadIntoPrev {
                            prev: other,
                            middle,
                        }
                    } else {
                        MergeCase::TailIntoNext {
                            middle,
                            next: other,
                        }
                    }
                });
                assert_eq!(case, wanted, "{neighbour} {middle} {below}");
            }
        }
    }
}

/// The notation itself: attributes are understood.
#[test]
fn notation() {
    for text in NEIGHBOURS.into_iter().chain(MIDDLES) {
        if text != "-" {
            for part in text.split(',') {
                let _ = Attr::parse(part);
            }
        }
    }
}
