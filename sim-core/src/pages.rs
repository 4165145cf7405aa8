//! The page-table side of an address-space operation, as a trait.
//!
//! `sim-core` changes VMAs and says here, at the moment at which Linux does it, what is to happen
//! to pages and page tables. The machine (`sim-fork`) implements it on real tables; [`NoPages`]
//! does nothing, for tests of VMAs alone.
//!
//! Every method gets VMAs as they are at the time of the call. Addresses are those of the mm whose
//! operation runs. The machine's implementation is made for one call and borrows the tables.

use crate::store::NoMemory;
use crate::{Errno, FileId, FileRef, MappedKind, PageRange, UffdCtxId, VirtAddr, VmFlags, Vma};

/// What mprotect changes in page tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProtectionChange {
    /// Where.
    pub range: PageRange,
    /// The VMA's flags before.
    pub old: VmFlags,
    /// The VMA's flags now.
    pub new: VmFlags,
}

/// A move of page tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableMove {
    /// The pages to move.
    pub from: PageRange,
    /// Where their first one goes.
    pub to: VirtAddr,
    /// Whether reverse-map walks must be kept out (`need_rmap_locks`).
    pub rmap_locks: bool,
}

/// The tables that may be freed after an unmap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreeTables {
    /// What was unmapped.
    pub range: PageRange,
    /// The end of the VMA below (0 without one): tables that reach below it stay.
    pub floor: VirtAddr,
    /// The start of the VMA above (`None` without one: up to the end of user space).
    pub ceiling: Option<VirtAddr>,
}

/// A populate of part of a VMA: makes the anon_vma when the first private page needs it.
pub type PrepareAnonVma<'a> = &'a dyn Fn() -> Result<(), NoMemory>;

/// What VMA operations need from page tables.
pub trait PageOps {
    /// Splits the huge PMD that maps `at`, if `at` is inside it and the VMA holds all of it
    /// (`mm/huge_memory.c: vma_adjust_trans_huge()`). Called before the VMA's ends move.
    fn split_huge(&mut self, vma: &Vma, at: VirtAddr);

    /// Unmaps the pages of `range`, a part of `vma`, and drops its markers (`mm/memory.c:
    /// unmap_single_vma()` with `ZAP_FLAG_DROP_MARKER`).
    fn unmap(&mut self, vma: &Vma, range: PageRange);

    /// Frees tables that no VMA needs any more (`mm/memory.c: free_pgtables()`).
    fn free_tables(&mut self, what: FreeTables);

    /// Gives present entries the VMA's new protection (`mm/mprotect.c: change_protection()`). The
    /// VMA has the new flags already.
    fn change_protection(&mut self, vma: &Vma, change: ProtectionChange);

    /// Faults in a part of a locked private VMA that mprotect made writable
    /// (`mm/gup.c: populate_vma_page_range()`); errors are ignored, and a `LOCKONFAULT` VMA is left
    /// as it is.
    fn populate(&mut self, vma: &Vma, range: PageRange, prepare: PrepareAnonVma<'_>);

    /// Moves entries between two VMAs of one mm (`mm/mremap.c: move_page_tables()`).
    ///
    /// # Errors
    /// If a table cannot be allocated; the number of pages moved before is in the error.
    fn move_tables(&mut self, from: &Vma, to: &Vma, what: TableMove) -> Result<(), MoveFailed>;

    /// The VMA's flags changed such that its pages enter or leave the locked pages
    /// (`mm/mlock.c: mlock_vma_pages_range()`).
    fn lock_pages(&mut self, vma: &Vma, range: PageRange) {
        let _ = (vma, range);
    }

    /// A new shared-memory object for `MAP_SHARED | MAP_ANONYMOUS` (`mm/shmem.c:
    /// shmem_zero_setup()`).
    ///
    /// # Errors
    /// `ENOMEM`.
    fn new_shared_anon(&mut self, pages: u64, flags: VmFlags) -> Result<FileId, Errno>;

    /// The file's `mmap` method: the VMA is in the tree. Drivers of raw frames fill page tables
    /// here (`remap_pfn_range()`).
    ///
    /// # Errors
    /// What the driver fails with.
    fn mmap_file(&mut self, vma: &Vma) -> Result<(), Errno> {
        let _ = vma;
        Ok(())
    }

    /// One more VMA maps this object (`get_file()`, `vm_ops.open`, entry into `i_mmap`).
    fn file_linked(&mut self, file: FileRef, vma: &Vma) {
        let _ = (file, vma);
    }

    /// One VMA less maps this object (`fput()`, removal from `i_mmap`).
    fn file_unlinked(&mut self, file: FileRef, vma: &Vma) {
        let _ = (file, vma);
    }

    /// The VMA may have become fit for huge pages (`mm/khugepaged.c: khugepaged_enter_vma()`).
    fn khugepaged_enter(&mut self, vma: &Vma, flags: VmFlags) {
        let _ = (vma, flags);
    }

    /// Breaks KSM pages of a VMA (`MADV_UNMERGEABLE`).
    fn ksm_unmerge(&mut self, vma: &Vma, range: PageRange) {
        let _ = (vma, range);
    }

    /// Does this userfaultfd ask for remap events, so that VMAs that mremap moves stay registered
    /// (`UFFD_FEATURE_EVENT_REMAP`)? If not, [`move_tables`](Self::move_tables) also drops
    /// write protection from what it moves out of a VMA registered with it.
    fn uffd_follows_mremap(&self, context: UffdCtxId) -> bool {
        let _ = context;
        false
    }

    /// Clears userfaultfd write protection from entries of a range that loses its registration, or
    /// whose VMA was moved without its context (`mm/userfaultfd.c: uffd_wp_range()`).
    fn uffd_wp_clear(&mut self, vma: &Vma, range: PageRange) {
        let _ = (vma, range);
    }
}

/// A move of page tables stopped early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MoveFailed {
    /// Pages moved before the failure.
    pub moved_pages: u64,
}

/// What fork does beside copying VMAs.
pub trait ForkOps {
    /// The child's userfaultfd context for a registered VMA (`fs/userfaultfd.c:
    /// dup_userfaultfd()`); `None`: the child's VMA loses context and uffd flags.
    fn uffd_context(&mut self, parent: &Vma) -> Option<UffdCtxId> {
        let _ = parent;
        None
    }

    /// One more VMA maps this object.
    fn file_linked(&mut self, file: FileRef, child: &Vma) {
        let _ = (file, child);
    }

    /// Copies the page-table entries of one VMA (`mm/memory.c: copy_page_range()`).
    ///
    /// # Errors
    /// If memory is short.
    fn copy_pages(&mut self, parent: &Vma, child: &Vma) -> Result<(), NoMemory>;

    /// Fork failed: this VMA of the child is dropped again.
    fn undo(&mut self, child: &Vma) {
        let _ = child;
    }
}

/// No page tables: for tests of the VMA layer alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPages {
    next_object: u32,
}

impl NoPages {
    /// Shared anonymous memory gets ids from here up.
    const FIRST_OBJECT: u32 = 1 << 31;
}

impl PageOps for NoPages {
    fn split_huge(&mut self, _vma: &Vma, _at: VirtAddr) {}
    fn unmap(&mut self, _vma: &Vma, _range: PageRange) {}
    fn free_tables(&mut self, _what: FreeTables) {}
    fn change_protection(&mut self, _vma: &Vma, _change: ProtectionChange) {}
    fn populate(&mut self, _vma: &Vma, _range: PageRange, _prepare: PrepareAnonVma<'_>) {}
    fn move_tables(&mut self, _from: &Vma, _to: &Vma, _what: TableMove) -> Result<(), MoveFailed> {
        Ok(())
    }
    fn new_shared_anon(&mut self, _pages: u64, _flags: VmFlags) -> Result<FileId, Errno> {
        self.next_object += 1;
        Ok(FileId(Self::FIRST_OBJECT + self.next_object))
    }
}

impl ForkOps for NoPages {
    fn copy_pages(&mut self, _parent: &Vma, _child: &Vma) -> Result<(), NoMemory> {
        Ok(())
    }
}

/// The object behind a shared anonymous mapping.
pub(crate) const fn dev_zero(id: FileId) -> FileRef {
    FileRef {
        id,
        kind: MappedKind::DevZero,
    }
}
