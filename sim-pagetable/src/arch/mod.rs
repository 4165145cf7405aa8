//! Entry formats of the architectures.

mod arm64;
#[cfg(test)]
mod tests;
mod x86_64;

use std::fmt::Debug;

pub use arm64::Arm64;
pub use x86_64::{X86_64, X86_64Format, X86_64NoSoftDirty};

use crate::Pfn;

/// What a VMA allows its user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Access {
    /// `VM_READ`.
    pub read: bool,
    /// `VM_WRITE`.
    pub write: bool,
    /// `VM_EXEC`.
    pub exec: bool,
}

/// Whether writes through a VMA go to the object mapped or to private copies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sharing {
    /// No `VM_SHARED`: entries start write-protected.
    Private,
    /// `VM_SHARED`.
    Shared,
}

/// What a leaf entry maps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PageSize {
    /// 4 KiB, an entry of a PTE table.
    Base,
    /// 2 MiB, an entry of a PMD table.
    Huge,
}

/// The bits of an entry that a VMA's protection gives (`vm_page_prot`); made by
/// [`Arch::page_prot`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PageProt(pub(crate) u64);

impl PageProt {
    /// The raw bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// A page-table format: constants and pure functions on raw 64-bit entries.
///
/// Functions on present entries take 4 KiB and 2 MiB leaves alike. [`Entry`](crate::Entry) is the
/// comfortable way to call them.
pub trait Arch: Copy + Debug + Send + Sync + 'static {
    /// Name in scenarios.
    const NAME: &'static str;
    /// Bits of a user address.
    const VA_BITS: u32;
    /// Accessed flag.
    const YOUNG: u64;
    /// Soft-dirty flag of present entries; 0 where soft-dirty does not exist.
    const SOFT_DIRTY: u64;
    /// Userfaultfd write-protection of present entries.
    const UFFD_WP: u64;
    /// No `struct page` behind it (or the zero page's).
    const SPECIAL: u64;
    /// Soft-dirty flag of non-present entries.
    const SWP_SOFT_DIRTY: u64;
    /// Userfaultfd write-protection of swap and migration entries.
    const SWP_UFFD_WP: u64;
    /// The anonymous page behind a swap entry was exclusive.
    const SWP_EXCLUSIVE: u64;
    /// Bits of a frame number in a migration entry; young and dirty follow above.
    const SWP_PFN_BITS: u32;
    /// Bits of a swap offset.
    const SWP_OFFSET_BITS: u32;
    /// Pages above which a range flush becomes a full one.
    const FLUSH_CEILING: u64;
    /// Must a live entry go through an invalid one before it maps something else?
    const BREAK_BEFORE_MAKE: bool;
    /// Are there machines whose MMU leaves the accessed and dirty bits to faults?
    const SOFTWARE_AD: bool;

    /// The protection table (`protection_map`, `vm_get_page_prot()`).
    fn page_prot(access: Access, sharing: Sharing) -> PageProt;
    /// A leaf entry (`pfn_pte()`, `pmd_mkhuge(pfn_pmd())`).
    fn leaf(pfn: Pfn, prot: PageProt, size: PageSize) -> u64;
    /// An entry that refers to a table (`pmd_populate()`).
    fn table(pfn: Pfn) -> u64;
    /// The table an entry refers to, if it does.
    fn table_pfn(raw: u64) -> Option<Pfn>;
    /// Is it a leaf that Linux calls present: valid, or `PROT_NONE`?
    fn is_present(raw: u64) -> bool;
    /// Would the hardware translate by it?
    fn is_valid(raw: u64) -> bool;
    /// Is a present entry a 2 MiB leaf?
    fn is_huge(raw: u64) -> bool;
    /// The frame of a present entry.
    fn pfn(raw: u64) -> Pfn;
    /// `pte_write()`.
    fn is_writable(raw: u64) -> bool;
    /// May the user execute?
    fn is_executable(raw: u64) -> bool;
    /// May the user access it at all?
    fn is_user(raw: u64) -> bool;
    /// `pte_dirty()`.
    fn is_dirty(raw: u64) -> bool;
    /// `pte_mkwrite()`.
    fn mk_write(raw: u64) -> u64;
    /// `pte_wrprotect()`.
    fn wrprotect(raw: u64) -> u64;
    /// `pte_mkdirty()`; sets soft-dirty too where it exists.
    fn mk_dirty(raw: u64) -> u64;
    /// Does the hardware let the user write without noting that the page is dirty now? Of entries
    /// that [are writable](Self::is_writable).
    fn is_write_noted(raw: u64) -> bool;
    /// What the hardware makes of a writable entry when it is written through.
    fn hw_write(raw: u64) -> u64;
    /// `pte_mkclean()`.
    fn mk_clean(raw: u64) -> u64;
    /// `pte_modify()`: new protection, same page and state.
    fn modify(raw: u64, prot: PageProt) -> u64;
    /// The protection bits of a present entry (`pte_pgprot()`), with its state bits.
    fn prot(raw: u64) -> PageProt;
    /// The 4 KiB entry with the bits of the 2 MiB leaf `raw` for `pfn`.
    fn leaf_of_huge(raw: u64, pfn: Pfn) -> u64;
    /// A non-present entry (`swp_entry_to_pte(swp_entry())`).
    fn swap(kind: u8, offset: u64) -> u64;
    /// Type of a non-present entry.
    fn swap_type(raw: u64) -> u8;
    /// Offset of a non-present entry.
    fn swap_offset(raw: u64) -> u64;
}
