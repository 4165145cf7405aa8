//! The stack of a new program: made at the top, filled, then moved down to its place.
//!
//! ```text
//!  create_init_stack      one page below the highest address, marked as not ready
//!       │ strings are copied, downwards: the VMA grows page by page
//!  setup_arg_pages        relocate_vma_down by the address randomization, page tables with it
//!       │                 the mark goes
//!       └─ expand_stack   128 KiB more, for a start
//! ```

use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{Backing, BrkFields, Bytes, Errno, Mm, PAGE_SIZE, PageOffset, PageOps, PageRange};
use crate::{VirtAddr, VmFlags, Vma};

/// Flags of a stack (`VM_STACK_FLAGS`).
const STACK_FLAGS: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::MAY_FLAGS)
    .union(VmFlags::ACCOUNT)
    .union(VmFlags::GROWSDOWN);

/// Marks a stack that is not at its place yet (`VM_STACK_INCOMPLETE_SETUP`): it has no huge pages.
const NOT_READY: VmFlags = VmFlags::RAND_READ.union(VmFlags::SEQ_READ);

/// What a new stack is larger than its strings, if the limit allows it.
const HEADROOM: Bytes = Bytes::new(128 << 10);

/// `_STK_LIM`: what Linux takes for a usual stack.
const USUAL_STACK: u64 = 8 << 20;

/// `ARG_MAX`: strings of this length always fit.
const ALWAYS_FITS: u64 = 128 << 10;

impl<S: VmaStore> Mm<S> {
    /// The most that strings on a new stack may take (`fs/exec.c: bprm_stack_limits()`).
    pub fn most_strings(&self) -> Bytes {
        let most = USUAL_STACK / 4 * 3;
        let quarter = self.config.limits.stack.map_or(most, |s| s.get() / 4);
        Bytes::new(most.min(quarter).max(ALWAYS_FITS))
    }

    /// The first page of a new stack, at the highest possible address (`mm/vma_exec.c:
    /// create_init_stack_vma()`, 6.18; before 6.16 `fs/exec.c: __bprm_mm_init()`).
    ///
    /// # Errors
    /// If memory is short; nothing is changed then.
    pub fn create_init_stack(&mut self, pages: &mut dyn PageOps) -> Result<VmaId, NoMemory> {
        let end = self.config.layout.task_size;
        let range = PageRange::new(end - Bytes::new(PAGE_SIZE), end);
        let pgoff = PageOffset::new(range.start().page_number());
        let mut flags = STACK_FLAGS | NOT_READY;
        flags.set(VmFlags::SOFTDIRTY, self.config.soft_dirty);
        let vma = Vma::new(range, pgoff, flags, Backing::Anon);
        self.insert_vma(pages, vma)
    }

    /// Moves a new stack down by `shift` to its place and makes room on it; `strings` is where its
    /// strings begin now (`fs/exec.c: setup_arg_pages()`, 6.19).
    ///
    /// # Errors
    /// `ENOMEM`; `EFAULT` if it cannot grow. The process is to be killed then.
    pub fn setup_arg_pages(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        strings: VirtAddr,
        shift: Bytes,
    ) -> Result<(), Errno> {
        let stack = self.vma(id).range();
        let lowest = self.config.lowest_address();
        let shift = shift.page_align();
        let room = stack.start().checked_sub(shift).ok_or(Errno::ENOMEM)?;
        if room.get() < lowest.get() {
            return Err(Errno::ENOMEM);
        }
        let flags = STACK_FLAGS | self.def_flags | NOT_READY;
        let id = self.protect_part(pages, id, stack, flags)?;
        if shift.get() > 0 {
            self.relocate_vma_down(pages, id, shift)?;
        }
        self.vma_mut(id).remove_flags(NOT_READY);
        self.set_brk_fields(BrkFields {
            start_stack: strings - shift,
            ..*self.brk_fields()
        });
        let base = self.stack_base(id);
        self.expand_downwards(pages, id, base)
            .map_err(|_| Errno::EFAULT)
    }

    /// Down to where a new stack reaches. Where there is no room at all the address wraps, as Linux
    /// has it, and nothing grows.
    fn stack_base(&self, id: VmaId) -> VirtAddr {
        let stack = self.vma(id).range();
        let wanted = Bytes::new(stack.len().get() + HEADROOM.get());
        let limit = self.config.limits.stack;
        let len = limit.map_or(wanted, |limit| wanted.min(Bytes::from_pages(limit.pages())));
        VirtAddr::new(stack.end().get().wrapping_sub(len.get()))
    }
}
