//! brk.

use super::Mapped;
use crate::store::VmaStore;
use crate::{Mm, PageOps, VirtAddr};

/// The heap and stack fields of an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BrkFields {
    /// Where the heap starts.
    pub start_brk: VirtAddr,
    /// Where it ends.
    pub brk: VirtAddr,
    /// Where the stack starts.
    pub start_stack: VirtAddr,
}

impl<S: VmaStore> Mm<S> {
    /// Heap and stack.
    pub const fn brk_fields(&self) -> &BrkFields {
        &self.brk
    }

    /// Sets heap and stack (exec).
    pub fn set_brk_fields(&mut self, fields: BrkFields) {
        self.brk = fields;
    }

    /// `brk(2)`: the new break, or the unchanged one.
    pub fn sys_brk(&mut self, pages: &mut dyn PageOps, to: VirtAddr) -> Mapped {
        let _ = (pages, to);
        Mapped {
            addr: self.brk.brk,
            populate: None,
        }
    }
}
