//! Snapshots as text, two side by side.

use std::fmt::Write as _;

use sim_core::{PageState, Snapshot, VmaSnapshot};

use super::align::align;

/// One VMA in one line, in the manner of maps, with flags.
pub(super) fn vma(vma: &VmaSnapshot) -> String {
    let perms = vma.flags.perms();
    let mut text = format!(
        "{:x}-{:x} {} ",
        vma.range.start().get(),
        vma.range.end().get(),
        String::from_utf8_lossy(&perms)
    );
    if vma.file.is_some() || vma.offset != 0 {
        let _ = write!(text, "{:x} ", vma.offset);
    }
    if let Some(file) = &vma.file {
        let _ = write!(text, "{file} ");
    }
    if let Some(label) = &vma.label {
        let _ = write!(text, "[anon:{label}] ");
    }
    text.push_str(&vma.flags.mnemonics().collect::<Vec<_>>().join(","));
    text
}

/// A page's state in words.
pub(super) fn page(state: Option<PageState>) -> String {
    let qualifiers = |list: &[(bool, &str)]| {
        list.iter()
            .filter(|(on, _)| *on)
            .flat_map(|(_, name)| [" ", name])
            .collect::<String>()
    };
    match state {
        None => "none".to_owned(),
        Some(PageState::Present {
            exclusive,
            file,
            huge,
            uffd_wp,
            soft_dirty,
        }) => format!(
            "present{}",
            qualifiers(&[
                (exclusive, "exclusive"),
                (file, "file"),
                (huge, "huge"),
                (uffd_wp, "uffd-wp"),
                (soft_dirty, "soft-dirty"),
            ])
        ),
        Some(PageState::Swap {
            uffd_wp,
            soft_dirty,
        }) => format!(
            "swap{}",
            qualifiers(&[(uffd_wp, "uffd-wp"), (soft_dirty, "soft-dirty")])
        ),
        Some(PageState::Guard) => "guard".to_owned(),
        Some(PageState::Poison) => "poison".to_owned(),
        Some(PageState::Marker) => "uffd-wp marker".to_owned(),
        Some(PageState::Migration) => "migration".to_owned(),
    }
}

/// Every VMA with its non-zero counters, then the page runs, one a line.
fn lines(snapshot: &Snapshot) -> Vec<String> {
    let mut lines: Vec<_> = snapshot.vmas.iter().flat_map(vma_lines).collect();
    lines.extend(snapshot.pages.iter().map(|run| {
        format!(
            "{:x}+{}p {}",
            run.range.start().get(),
            run.range.pages(),
            page(Some(run.state))
        )
    }));
    lines
}

fn vma_lines(of: &VmaSnapshot) -> Vec<String> {
    let counters = of
        .smaps
        .counters()
        .filter(|(name, value)| {
            *value != 0 && !["Size", "KernelPageSize", "MMUPageSize"].contains(name)
        })
        .map(|(name, value)| format!("{name} {value}"))
        .collect::<Vec<_>>();
    let mut lines = vec![vma(of)];
    lines.extend(
        counters
            .chunks(3)
            .map(|row| format!("    {}", row.join("  "))),
    );
    lines
}

/// A snapshot as text: every VMA with its counters that are not zero, then the page runs.
pub fn listing(snapshot: &Snapshot) -> String {
    lines(snapshot).join("\n")
}

/// Two snapshots side by side; lines that are not the same have a `!` between them.
pub fn side_by_side(names: (&str, &str), left: &Snapshot, right: &Snapshot) -> String {
    let (left, right) = (lines(left), lines(right));
    let width = left
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
        .max(names.0.chars().count());
    let mut text = format!("{:<width$}   {}\n", names.0, names.1);
    for (l, r) in align(&left, &right) {
        let mark = if l == r { ' ' } else { '!' };
        let (l, r) = (l.unwrap_or_default(), r.unwrap_or_default());
        let line = format!("{l:<width$} {mark} {r}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
