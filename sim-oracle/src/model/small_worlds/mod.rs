//! Small worlds, enumerated: up to four VMAs over six pages, each of any kind that merging looks
//! at; every change of a part of a VMA and every new range in a gap, by the engine and by the
//! model's decision page by page.
//!
//! All of it takes hours: a test runs an even selection, of as many worlds for each kernel as the
//! variable `VMSIM_SMALL_WORLDS` says, or `all` of them.

mod engine;
mod kind;
mod layout;
mod sides;

use sim_core::{Backing, Policy, Profile, VmFlags};

use self::kind::KINDS;
use self::layout::{layout, shapes};
use self::sides::Sides;

/// Worlds of the selection, for each profile.
const SELECTED: usize = 1_500;

/// What is compared of a VMA.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Shown {
    pages: (u64, u64),
    flags: VmFlags,
    delta: u64,
    anon: Option<(usize, usize)>,
    rest: (Backing, bool, Option<Policy>, Option<String>, bool),
}

/// Every `step`-th world of a profile.
fn run(profile: Profile, step: usize, first: usize) -> usize {
    let sides = Sides::new(profile);
    let mut number = first;
    let mut checked = 0;
    let mut before = 0;
    for shape in shapes() {
        let count = KINDS.len().pow(shape.len() as u32);
        while number < before + count {
            let layout = layout(&shape, number - before);
            checked += sides.change_parts(&layout) + sides.fill_gaps(&layout);
            number += step;
        }
        before += count;
    }
    checked
}

fn worlds() -> usize {
    shapes()
        .iter()
        .map(|shape| KINDS.len().pow(shape.len() as u32))
        .sum()
}

#[test]
fn merges_of_small_worlds() {
    let selected = match std::env::var("VMSIM_SMALL_WORLDS").as_deref() {
        Ok("all") => worlds(),
        Ok(number) => number.parse().expect("a number, or all"),
        Err(_) => SELECTED,
    };
    // A prime step meets every combination of kinds and shapes in the long run.
    let step = match worlds() / selected {
        0 | 1 => 1,
        step => next_prime(step),
    };
    for (first, &profile) in Profile::ALL.iter().enumerate() {
        let checked = run(profile, step, first);
        println!("{profile}: {checked} merges");
        assert!(checked > selected, "{profile}: only {checked} merges");
    }
}

fn next_prime(from: usize) -> usize {
    let is_prime = |n: &usize| {
        (2..*n)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (from..2 * from).find(is_prime).unwrap_or(from)
}
