//! Page faults: what happens when the MMU cannot go on (`mm/memory.c: handle_mm_fault()`, 6.19).
//!
//! ```text
//!   nothing there ─ anon ─▶ anon.rs    zero page or a new page
//!                 └ file ─▶ file.rs    fault-around, page cache, private copy, shared write
//!   marker ─────────────▶ marker.rs    guard, poison, write-protection remembered
//!   swap entry ─────────▶ swap.rs
//!   write to read-only ─▶ wp.rs        reuse or copy, page_mkwrite
//! ```

mod anon;
mod around;
mod file;
mod marker;
mod readahead;
mod run;
mod swap;
mod wp;

use sim_core::store::NoMemory;
use sim_core::{MappedKind, UffdFeatures, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, EntryView, Leaf, PteTable};

use crate::error::FaultError;
use crate::pager::{Pager, Seen};
use crate::thp;
use crate::va::va;

pub(crate) use self::file::load_page;

/// What the access that faulted does. Execution is a read here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum FaultKind {
    /// It reads.
    Read,
    /// It writes (`FAULT_FLAG_WRITE`).
    Write,
}

/// A page fault in a VMA that allows the access.
pub(crate) struct Fault<'a> {
    /// The VMA.
    pub(crate) vma: &'a Vma,
    /// The page.
    pub(crate) addr: VirtAddr,
    /// The access.
    pub(crate) kind: FaultKind,
    /// Gives the VMA an anon_vma (`vmf_anon_prepare()`).
    pub(crate) prepare: &'a dyn Fn() -> Result<(), NoMemory>,
}

impl Fault<'_> {
    pub(crate) fn is_write(&self) -> bool {
        self.kind == FaultKind::Write
    }

    /// Is the VMA registered for this kind of userfault?
    pub(crate) fn uffd(&self, flag: VmFlags) -> bool {
        self.vma.uffd().is_some() && self.vma.flags().contains(flag)
    }
}

impl<A: Arch> Pager<'_, A> {
    /// Handles a fault. `Ok` means: the access can be tried again, which may fault again.
    ///
    /// # Errors
    /// If the access cannot be made possible.
    pub(crate) fn handle_fault(&self, fault: &Fault<'_>) -> Result<(), FaultError> {
        match self.seen(va(fault.addr)) {
            Seen::Absent => {
                drop(self.tables().pmd_alloc(va(fault.addr))?);
                if thp::fault::anonymous(self, fault)? {
                    return Ok(());
                }
                if fault.vma.is_anon() {
                    self.alloc_table(fault)?;
                }
                self.missing(fault, Entry::NONE)
            }
            Seen::Huge(entry) => thp::fault::present(self, fault, entry),
            Seen::Pte(entry) => self.handle_pte(fault, entry),
        }
    }

    /// `mm/memory.c: handle_pte_fault()`.
    fn handle_pte(&self, fault: &Fault<'_>, entry: Entry<A>) -> Result<(), FaultError> {
        match entry.view() {
            EntryView::None => self.missing(fault, entry),
            EntryView::Present(page) => {
                if fault.is_write() && !page.write {
                    return self.write_protected(fault, entry);
                }
                self.set_access_flags(fault, entry);
                Ok(())
            }
            EntryView::Swap(swapped) => self.swap_in(fault, entry, swapped),
            EntryView::Marker(marker) => self.marker(fault, entry, marker),
            EntryView::HwPoison(_) => Err(FaultError::Poison),
            // Nobody migrates pages or gives them to devices behind a program's back here.
            EntryView::Migration(_) | EntryView::Device(..) => Err(FaultError::Bus),
        }
    }

    /// Nothing is mapped; `old` is empty or a write-protection marker
    /// (`mm/memory.c: do_pte_missing()`).
    fn missing(&self, fault: &Fault<'_>, old: Entry<A>) -> Result<(), FaultError> {
        match fault.vma.file() {
            None => self.anonymous(fault, old),
            Some(file) => match file.kind {
                MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => {
                    self.file_fault(fault, file, old)
                }
                // The driver mapped everything in advance (do_fault() without vm_ops.fault).
                MappedKind::Pfnmap | MappedKind::Mixedmap => Err(FaultError::Bus),
            },
        }
    }

    /// A present entry that allows the access: notes it (`ptep_set_access_flags()`).
    fn set_access_flags(&self, fault: &Fault<'_>, old: Entry<A>) {
        let mut new = old.mk_young();
        if fault.is_write() {
            new = new.mk_dirty();
        }
        if let Some(table) = self.unchanged(fault, old) {
            table.set(va(fault.addr), new);
        }
    }

    /// The PTE table of the fault, locked, if the entry still is `old` (`vmf_pte_changed()`).
    /// `None` if another thread was faster: the access is tried again.
    fn unchanged(&self, fault: &Fault<'_>, old: Entry<A>) -> Option<PteTable<'_, A>> {
        match self.tables().leaf(va(fault.addr)) {
            Leaf::Table(table) if table.get(va(fault.addr)) == old => Some(table),
            Leaf::Table(_) | Leaf::Huge(_) | Leaf::Absent => None,
        }
    }

    /// Makes sure that there is a PTE table (`pte_alloc()`).
    fn alloc_table(&self, fault: &Fault<'_>) -> Result<(), FaultError> {
        drop(self.tables().leaf_alloc(va(fault.addr))?);
        Ok(())
    }

    /// Nobody handles userfaults (`fs/userfaultfd.c: handle_userfault()`).
    pub(crate) fn userfault(&self) -> FaultError {
        if self.shared.uffd_features().contains(UffdFeatures::SIGBUS) {
            FaultError::Bus
        } else {
            FaultError::UffdWait
        }
    }

    /// A new entry keeps the write protection that its marker remembered.
    fn keep_uffd_wp(fault: &Fault<'_>, old: Entry<A>, new: Entry<A>) -> Entry<A> {
        if fault.uffd(VmFlags::UFFD_WP) && old.uffd_wp() {
            new.with_uffd_wp(true)
        } else {
            new
        }
    }

    /// `maybe_mkwrite()`.
    fn maybe_write(fault: &Fault<'_>, entry: Entry<A>) -> Entry<A> {
        if fault.vma.flags().contains(VmFlags::WRITE) {
            entry.mk_write()
        } else {
            entry
        }
    }
}
