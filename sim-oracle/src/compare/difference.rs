//! The first thing in which two back ends differ.

use std::fmt;

use sim_core::{Outcome, PageRange, PageState, Pid, VirtAddr, VmFlags, VmaSnapshot};

/// A difference between two back ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// The call came to different ends.
    Outcome {
        /// On the left.
        left: Outcome,
        /// On the right.
        right: Outcome,
    },
    /// Different processes are alive.
    Processes {
        /// On the left.
        left: Vec<Pid>,
        /// On the right.
        right: Vec<Pid>,
    },
    /// The n-th VMA differs, or is there on one side only.
    Vma {
        /// On the left.
        left: Option<Box<VmaSnapshot>>,
        /// On the right.
        right: Option<Box<VmaSnapshot>>,
        /// In what.
        field: VmaField,
    },
    /// A VMA's flags differ.
    Flags {
        /// The VMA.
        range: PageRange,
        /// On the left.
        left: VmFlags,
        /// On the right.
        right: VmFlags,
    },
    /// A VMA's counter differs.
    Counter {
        /// The VMA.
        range: PageRange,
        /// Its name in smaps.
        name: &'static str,
        /// On the left, in kB.
        left: u64,
        /// On the right, in kB.
        right: u64,
    },
    /// A page's state differs.
    Page {
        /// The first such page.
        addr: VirtAddr,
        /// On the left; `None` if there is no entry.
        left: Option<PageState>,
        /// On the right.
        right: Option<PageState>,
    },
    /// A side broke down.
    Broken {
        /// It was the right one.
        right: bool,
        /// Why.
        why: String,
    },
}

/// What of a VMA differs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VmaField {
    /// It is there on one side only.
    Presence,
    /// Its addresses.
    Range,
    /// Its permissions.
    Perms,
    /// Its offset.
    Offset,
    /// Its file.
    File,
    /// Its anonymous name.
    Label,
    /// Whether it has an `anon_vma` (where both sides know).
    AnonVma,
}

impl VmaField {
    const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Range => "addresses",
            Self::Perms => "permissions",
            Self::Offset => "offset",
            Self::File => "file",
            Self::Label => "label",
            Self::AnonVma => "anon_vma",
        }
    }
}

/// The kind of a difference, by which a shrunk failure is recognised as the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum DifferenceKind {
    Outcome,
    Processes,
    Vma,
    Flags,
    Counter(&'static str),
    Page,
    Broken,
}

impl Difference {
    pub(crate) const fn kind(&self) -> DifferenceKind {
        match self {
            Self::Outcome { .. } => DifferenceKind::Outcome,
            Self::Processes { .. } => DifferenceKind::Processes,
            Self::Vma { .. } => DifferenceKind::Vma,
            Self::Flags { .. } => DifferenceKind::Flags,
            Self::Counter { name, .. } => DifferenceKind::Counter(name),
            Self::Page { .. } => DifferenceKind::Page,
            Self::Broken { .. } => DifferenceKind::Broken,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { left, right } => write!(f, "outcome: {left} | {right}"),
            Self::Processes { left, right } => write!(f, "processes: {left:?} | {right:?}"),
            Self::Vma { left, right, field } => {
                write!(f, "VMA, {}: ", field.name())?;
                vma(f, left.as_deref())?;
                f.write_str(" | ")?;
                vma(f, right.as_deref())
            }
            Self::Flags { range, left, right } => write!(
                f,
                "flags of {range}: {} | {}",
                flags(*left, *right),
                flags(*right, *left)
            ),
            Self::Counter {
                range,
                name,
                left,
                right,
            } => write!(f, "{name} of {range}: {left} kB | {right} kB"),
            Self::Page { addr, left, right } => write!(
                f,
                "page {addr}: {} | {}",
                super::render::page(*left),
                super::render::page(*right)
            ),
            Self::Broken { right, why } => {
                let side = if *right { "right" } else { "left" };
                write!(f, "the {side} side broke down: {why}")
            }
        }
    }
}

fn vma(f: &mut fmt::Formatter<'_>, vma: Option<&VmaSnapshot>) -> fmt::Result {
    match vma {
        Some(vma) => f.write_str(&super::render::vma(vma)),
        None => f.write_str("none"),
    }
}

/// All flags, those that the other side lacks marked with `+`.
fn flags(own: VmFlags, other: VmFlags) -> String {
    own.mnemonics()
        .map(|name| {
            let flag = VmFlags::from_mnemonic(name).unwrap_or_default();
            if other.contains(flag) {
                name.to_owned()
            } else {
                format!("+{name}")
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
