//! Assertions about VMAs: lines, counts, flags.

use std::fmt::Write as _;

use sim_core::{VmFlags, VmaSnapshot};

use super::{Interval, size};
use crate::scenario::{FilePattern, FlagTerms, VmaLine};

/// Is there a VMA as the line says?
pub(super) fn line(line: &VmaLine, at: Interval, vmas: &[VmaSnapshot]) -> Result<(), String> {
    let within = |vma: &&VmaSnapshot| {
        let vma = Interval::of_vma(vma);
        vma.start <= at.start && at.start < vma.end
    };
    let Some(vma) = vmas.iter().find(within) else {
        return Err(format!(
            "no VMA begins at {:#x}: nothing is mapped there",
            at.start
        ));
    };
    let wrong = differences(line, at, vma);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}; it is `{}`", wrong.join(", "), describe(vma)))
}

fn differences(line: &VmaLine, at: Interval, vma: &VmaSnapshot) -> Vec<String> {
    let is = Interval::of_vma(vma);
    let mut wrong = Vec::new();
    if is.start != at.start {
        wrong.push(format!("expected a VMA that begins at {:#x}", at.start));
    }
    let len = line
        .len
        .map_or(at.end - at.start, |len| u128::from(len.get()));
    if is.start == at.start && len != 0 && is.end - is.start != len {
        wrong.push(format!(
            "expected {}, got {}",
            size(len),
            size(is.end - is.start)
        ));
    }
    if let Some(perms) = line.perms
        && perms != vma.flags.perms()
    {
        let (expected, got) = (text(perms), text(vma.flags.perms()));
        wrong.push(format!("expected {expected}, got {got}"));
    }
    wrong.extend(file_difference(&line.file, vma));
    if let Some(offset) = line.offset
        && offset != vma.offset
    {
        wrong.push(format!(
            "expected offset {offset:#x}, got {:#x}",
            vma.offset
        ));
    }
    if let Some(label) = &line.label {
        let is = vma.label.as_deref().unwrap_or("");
        if is != label {
            wrong.push(format!("expected label `{label}`, got `{is}`"));
        }
    }
    if let (Some(expected), Some(is)) = (line.anon_vma, vma.anon_vma)
        && expected != is
    {
        let sign = if expected { "an" } else { "no" };
        wrong.push(format!("expected {sign} anon_vma"));
    }
    wrong.extend(flag_difference(&line.flags, vma.flags));
    wrong
}

fn file_difference(pattern: &FilePattern, vma: &VmaSnapshot) -> Option<String> {
    let expected = match pattern {
        FilePattern::Any => return None,
        FilePattern::None => None,
        FilePattern::Named(name) => Some(name.as_str()),
    };
    let is = vma.file.as_deref();
    let shown = |file: Option<&str>| file.map_or("no file".to_owned(), |file| format!("`{file}`"));
    (is != expected).then(|| format!("expected {}, got {}", shown(expected), shown(is)))
}

fn flag_difference(terms: &FlagTerms, is: VmFlags) -> Option<String> {
    let names = |flags: VmFlags| flags.mnemonics().collect::<Vec<_>>().join(" ");
    if let Some(exactly) = terms.exactly
        && names(exactly) != names(is)
    {
        return Some(format!(
            "expected flags {}, got {}",
            names(exactly),
            names(is)
        ));
    }
    let (missing, extra) = (terms.set - is, terms.clear & is);
    let mut wrong = Vec::new();
    if !missing.is_empty() {
        wrong.push(format!("flags {} are missing", names(missing)));
    }
    if !extra.is_empty() {
        wrong.push(format!("flags {} are set", names(extra)));
    }
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

/// Does the process have so many VMAs?
pub(super) fn count(expected: u64, vmas: &[VmaSnapshot]) -> Result<(), String> {
    same_count(expected, vmas.iter())
}

/// Are there so many VMAs in a range?
pub(super) fn count_in(expected: u64, at: Interval, vmas: &[VmaSnapshot]) -> Result<(), String> {
    same_count(expected, in_range(at, vmas))
}

fn same_count<'v>(
    expected: u64,
    vmas: impl Iterator<Item = &'v VmaSnapshot>,
) -> Result<(), String> {
    const SHOWN: usize = 8;
    let vmas: Vec<_> = vmas.collect();
    if vmas.len() as u64 == expected {
        return Ok(());
    }
    let mut cause = format!("expected {expected} VMAs, got {}", vmas.len());
    for (index, vma) in vmas.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { ": " } else { ", " };
        let _ = write!(cause, "{separator}`{}`", describe(vma));
    }
    if vmas.len() > SHOWN {
        cause.push_str(", …");
    }
    Err(cause)
}

/// Do all VMAs of a range have such flags?
pub(super) fn flags(terms: &FlagTerms, at: Interval, vmas: &[VmaSnapshot]) -> Result<(), String> {
    let mut any = false;
    for vma in in_range(at, vmas) {
        any = true;
        if let Some(wrong) = flag_difference(terms, vma.flags) {
            return Err(format!("{wrong}; it is `{}`", describe(vma)));
        }
    }
    if any {
        return Ok(());
    }
    Err("nothing is mapped there".to_owned())
}

/// The VMAs that have a byte in a range.
pub(super) fn in_range(at: Interval, vmas: &[VmaSnapshot]) -> impl Iterator<Item = &VmaSnapshot> {
    vmas.iter()
        .filter(move |vma| Interval::of_vma(vma).overlaps(at))
}

/// A VMA in the form of a line of `vmas`.
pub(super) fn describe(vma: &VmaSnapshot) -> String {
    let mut out = format!(
        "{:#x}: {} {} {}",
        vma.range.start(),
        size(u128::from(vma.range.len().get())),
        text(vma.flags.perms()),
        vma.file.as_deref().unwrap_or("-"),
    );
    if vma.offset != 0 {
        let _ = write!(out, " @{:#x}", vma.offset);
    }
    if let Some(label) = &vma.label {
        let _ = write!(out, " label={label}");
    }
    let usual = VmFlags::ACCESS_FLAGS | VmFlags::MAY_FLAGS | VmFlags::SHARED | VmFlags::MAYSHARE;
    for flag in (vma.flags - usual).mnemonics() {
        let _ = write!(out, " +{flag}");
    }
    out
}

fn text(perms: [u8; 4]) -> String {
    perms.map(char::from).iter().collect()
}
