//! The loop of fork (mm/memory.c: `copy_page_range()`).

use sim_sync::prim::atomic::AtomicU64;

use thiserror::Error;

use super::{Leaf, PageTables, PmdSlot, Run};
use crate::{Arch, NoMemory, VaRange};

/// A piece of a copy: parent and child within one 2 MiB block, both locked.
#[derive(Debug)]
pub enum CopyRun<'r, 't, A: Arch> {
    /// A PTE table of the parent and the child's, allocated: the entries of the range.
    Tables {
        /// Addresses of the entries.
        range: VaRange,
        /// The parent's entries.
        parent: &'r [AtomicU64],
        /// The child's entries, empty.
        child: &'r [AtomicU64],
    },
    /// A huge entry of the parent and the child's empty PMD entry.
    Huge {
        /// The part of the range.
        range: VaRange,
        /// The parent's entry.
        parent: &'r PmdSlot<'t, A>,
        /// The child's.
        child: &'r PmdSlot<'t, A>,
    },
}

/// Why a copy ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CopyError<E> {
    /// A table of the child could not be allocated.
    #[error("out of simulated memory")]
    NoMemory,
    /// The visitor gave up.
    #[error("copy ended by its visitor")]
    Visitor(E),
}

impl<E> From<NoMemory> for CopyError<E> {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl<A: Arch> PageTables<A> {
    /// Pairs what exists in `range` with tables of `child`, allocated as needed, and hands each
    /// pair to `visit`. Nothing is changed here but that.
    ///
    /// # Errors
    /// [`CopyError`]; tables of the child allocated so far stay.
    pub fn copy_range<'t, E>(
        &'t self,
        child: &'t Self,
        range: VaRange,
        mut visit: impl FnMut(CopyRun<'_, 't, A>) -> Result<(), E>,
    ) -> Result<(), CopyError<E>> {
        for Run { range, leaf } in self.walk(range) {
            let done = match &leaf {
                Leaf::Absent => continue,
                Leaf::Table(parent) => match child.leaf_alloc(range.start())? {
                    Leaf::Table(child) => visit(CopyRun::Tables {
                        range,
                        parent: parent.cells_of(range),
                        child: child.cells_of(range),
                    }),
                    Leaf::Absent | Leaf::Huge(_) => panic!("child of fork is not empty"),
                },
                Leaf::Huge(parent) => visit(CopyRun::Huge {
                    range,
                    parent,
                    child: &child.pmd_alloc(range.start())?,
                }),
            };
            done.map_err(CopyError::Visitor)?;
        }
        Ok(())
    }
}
