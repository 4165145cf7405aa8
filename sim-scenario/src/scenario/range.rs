//! Ranges as they are written.

use sim_core::{PageOffset, SyscallRange};

use crate::source::Span;

/// A range as it is written; where a name is, known only when the step runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeExpr {
    /// What it says.
    pub kind: RangeKind,
    /// Where it is written.
    pub span: Span,
}

/// The forms of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RangeKind {
    /// Addresses.
    Absolute(SyscallRange),
    /// Pages of a mapping that has a name.
    Named {
        /// The name.
        name: String,
        /// Which of its pages.
        pages: PageSelection,
    },
}

/// Which pages of a named mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSelection {
    /// `buf`.
    All,
    /// `buf[3]`.
    One(PageOffset),
    /// `buf[4..]`.
    From(PageOffset),
    /// `buf[..4]` and `buf[2..4]`.
    Between(PageOffset, PageOffset),
}
