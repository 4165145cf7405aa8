//! The name that was probably meant.

use std::cmp::Reverse;

/// Names longer than this are not compared: nobody mistypes them.
const MAX_COMPARED: usize = 64;

/// The one of `names` that is nearest to `name`, if it is near enough to be meant.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if name.is_empty() || name.len() > MAX_COMPARED {
        return None;
    }
    let folded = name.to_lowercase().replace('-', "_");
    let limit = (folded.chars().count() / 3).max(1);
    names
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_COMPARED)
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = distance(&folded, &lower);
            let meant = distance <= limit || is_part(&folded, &lower);
            meant.then_some((distance, Reverse(common_start(&folded, &lower)), candidate))
        })
        .min_by_key(|(distance, common, _)| (*distance, *common))
        .map(|(_, _, candidate)| candidate)
}

/// Was a part of the name typed, e.g. `map_count` for `max_map_count`?
fn is_part(typed: &str, candidate: &str) -> bool {
    const SHORTEST: usize = 4;
    typed.len() >= SHORTEST && candidate.contains(typed)
}

fn common_start(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let substituted = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = substituted.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["mmap", "munmap", "mprotect", "madvise", "guard_install"];
        for (typed, meant) in [
            ("mmpa", Some("mmap")),
            ("mumap", Some("munmap")),
            ("install", Some("guard_install")),
            ("MPROTECT", Some("mprotect")),
            ("guard-install", Some("guard_install")),
            ("guardinstall", Some("guard_install")),
            ("fork", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
