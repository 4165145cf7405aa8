//! What sets the VMAs of a small world apart.

use std::sync::Arc;

use sim_core::{Backing, FileId, FileRef, MappedKind, Policy, VmFlags};

use crate::model::page::{Anon, Page};

/// Flags of a plain VMA.
pub(super) const RW: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::MAY_FLAGS);

/// What sets a VMA apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Plain,
    Guard,
    SoftDirty,
    /// Has the first, or the second anon_vma.
    Anon(usize),
    /// Has an anon_vma that comes from a fork; all such have the same.
    Forked,
    /// Another process's, from a second fork.
    ForkedAgain,
    ReadOnly,
    /// Its offset does not fit its neighbours'.
    Elsewhere,
    File(u32),
    FileAnon,
    Special,
    Close,
    CloseAnon,
    Uffd,
    Bound,
    Named,
}

pub(super) const KINDS: [Kind; 18] = [
    Kind::Plain,
    Kind::Guard,
    Kind::SoftDirty,
    Kind::Anon(0),
    Kind::Anon(1),
    Kind::Forked,
    Kind::ForkedAgain,
    Kind::ReadOnly,
    Kind::Elsewhere,
    Kind::File(0),
    Kind::File(1),
    Kind::FileAnon,
    Kind::Special,
    Kind::Close,
    Kind::CloseAnon,
    Kind::Uffd,
    Kind::Bound,
    Kind::Named,
];

impl Kind {
    pub(super) fn flags(self) -> VmFlags {
        match self {
            Self::Guard => RW | VmFlags::MAYBE_GUARD,
            Self::SoftDirty => RW | VmFlags::SOFTDIRTY,
            Self::ReadOnly => RW - VmFlags::WRITE,
            Self::Special => RW | VmFlags::DONTEXPAND,
            Self::Uffd => RW | VmFlags::UFFD_WP,
            _ => RW,
        }
    }

    pub(super) fn file(self) -> Option<u32> {
        match self {
            Self::File(number) => Some(number),
            Self::FileAnon => Some(0),
            _ => None,
        }
    }

    /// Its anon_vma: the number of its own, and its chain.
    pub(super) fn anon(self) -> Option<(usize, &'static [usize])> {
        match self {
            Self::Anon(0) | Self::FileAnon | Self::CloseAnon => Some((0, &[0])),
            Self::Anon(_) => Some((1, &[1])),
            Self::Forked => Some((2, &[0, 2])),
            Self::ForkedAgain => Some((3, &[0, 3])),
            _ => None,
        }
    }

    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Close | Self::CloseAnon)
    }

    pub(super) fn delta(self) -> u64 {
        if self == Self::Elsewhere { 9 } else { 0 }
    }

    pub(super) fn backing(self) -> Backing {
        self.file().map_or(Backing::Anon, |number| {
            Backing::File(FileRef {
                id: FileId(number),
                kind: MappedKind::Regular,
            })
        })
    }

    pub(super) fn page(self) -> Page {
        let anon = self.anon().map(|(own, chain)| Anon {
            own,
            chain: Arc::from(chain),
        });
        Page {
            anon,
            uffd: (self == Self::Uffd).then_some(1),
            policy: (self == Self::Bound).then_some(Policy::Local),
            name: (self == Self::Named).then(|| Arc::from("name")),
            close: self.is_closed(),
            ..Page::new(self.flags(), self.backing(), self.delta())
        }
    }
}
