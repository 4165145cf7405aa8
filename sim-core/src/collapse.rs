//! How an attempt to collapse 2 MiB into a huge page ends.

use std::fmt;

use crate::Errno;

/// The result of scanning or collapsing one 2 MiB block (`mm/khugepaged.c: enum scan_result`).
///
/// [`name`](Self::name) is what events and reports call it: Linux's name in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScanResult {
    /// There is a huge page now.
    Succeed,
    /// There was one, mapped by a PMD (`find_pmd_or_thp_or_none()`).
    PmdMapped,
    /// The object has a huge page there that is not mapped by a PMD
    /// (`hpage_collapse_scan_file()`); goes on with `collapse_pte_mapped_thp()`.
    PteMappedHugepage,
    /// There is no PTE table, and no PMD table either (`find_pmd_or_thp_or_none()`, before 6.19).
    PmdNull,
    /// There is no PTE table, but a PMD table (`find_pmd_or_thp_or_none()`, before 6.19).
    PmdNone,
    /// There is no PTE table (`find_pmd_or_thp_or_none()`, 6.19).
    NoPteTable,
    /// Too many empty entries and zero pages, or one that userfaultfd wants to hear of
    /// (`hpage_collapse_scan_pmd()`, `collapse_file()`).
    ExceedNonePte,
    /// Too many pages in swap (`hpage_collapse_scan_pmd()`).
    ExceedSwapPte,
    /// Too many pages that other processes map too (`hpage_collapse_scan_pmd()`).
    ExceedSharedPte,
    /// An entry that is neither empty nor present, such as a guard (`collapse_pte_mapped_thp()`).
    PteNonPresent,
    /// An entry write-protected by userfaultfd (`hpage_collapse_scan_pmd()`).
    PteUffdWp,
    /// No page was accessed lately (`hpage_collapse_scan_pmd()`).
    LackReferencedPage,
    /// An entry without an ordinary page, or no page in the object
    /// (`hpage_collapse_scan_pmd()`, `collapse_pte_mapped_thp()`).
    PageNull,
    /// A page that is not anonymous, or a VMA that is not (`hpage_collapse_scan_pmd()`,
    /// `hugepage_vma_revalidate()`).
    PageAnon,
    /// A large folio that is not the huge page wanted (`hpage_collapse_scan_file()`).
    PageCompound,
    /// A page with references that nobody accounts for (`is_refcount_suitable()`).
    PageCount,
    /// A page on no reclaim list (`hpage_collapse_scan_pmd()`).
    PageLru,
    /// A page is being read from swap (`__collapse_huge_page_swapin()`).
    PageLock,
    /// There is no VMA any more (`hugepage_vma_revalidate()`).
    VmaNull,
    /// The VMA does not hold the block any more (`hugepage_vma_revalidate()`).
    AddressRange,
    /// The VMA may not have huge pages (`hugepage_vma_revalidate()`).
    VmaCheck,
    /// No memory for the huge page (`alloc_charge_folio()`).
    AllocHugePageFail,
    /// Nothing is left of the object there (`collapse_file()`).
    Truncated,
    /// A page of a file is dirty (`collapse_file()`, after 6.19).
    PageDirtyOrWriteback,
    /// Anything else: a page cannot be swapped in, is dirty, or is a private copy
    /// (`__collapse_huge_page_swapin()`, `collapse_file()`, `collapse_pte_mapped_thp()`).
    Fail,
}

impl ScanResult {
    /// Every result.
    pub const ALL: &'static [Self] = &[
        Self::Succeed,
        Self::PmdMapped,
        Self::PteMappedHugepage,
        Self::PmdNull,
        Self::PmdNone,
        Self::NoPteTable,
        Self::ExceedNonePte,
        Self::ExceedSwapPte,
        Self::ExceedSharedPte,
        Self::PteNonPresent,
        Self::PteUffdWp,
        Self::LackReferencedPage,
        Self::PageNull,
        Self::PageAnon,
        Self::PageCompound,
        Self::PageCount,
        Self::PageLru,
        Self::PageLock,
        Self::VmaNull,
        Self::AddressRange,
        Self::VmaCheck,
        Self::AllocHugePageFail,
        Self::Truncated,
        Self::PageDirtyOrWriteback,
        Self::Fail,
    ];

    /// Linux's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeed => "scan_succeed",
            Self::PmdMapped => "scan_pmd_mapped",
            Self::PteMappedHugepage => "scan_pte_mapped_hugepage",
            Self::PmdNull => "scan_pmd_null",
            Self::PmdNone => "scan_pmd_none",
            Self::NoPteTable => "scan_no_pte_table",
            Self::ExceedNonePte => "scan_exceed_none_pte",
            Self::ExceedSwapPte => "scan_exceed_swap_pte",
            Self::ExceedSharedPte => "scan_exceed_shared_pte",
            Self::PteNonPresent => "scan_pte_non_present",
            Self::PteUffdWp => "scan_pte_uffd_wp",
            Self::LackReferencedPage => "scan_lack_referenced_page",
            Self::PageNull => "scan_page_null",
            Self::PageAnon => "scan_page_anon",
            Self::PageCompound => "scan_page_compound",
            Self::PageCount => "scan_page_count",
            Self::PageLru => "scan_page_lru",
            Self::PageLock => "scan_page_lock",
            Self::VmaNull => "scan_vma_null",
            Self::AddressRange => "scan_address_range",
            Self::VmaCheck => "scan_vma_check",
            Self::AllocHugePageFail => "scan_alloc_huge_page_fail",
            Self::Truncated => "scan_truncated",
            Self::PageDirtyOrWriteback => "scan_page_dirty_or_writeback",
            Self::Fail => "scan_fail",
        }
    }

    /// Is there a huge page now?
    pub const fn is_huge(self) -> bool {
        matches!(self, Self::Succeed | Self::PmdMapped)
    }

    /// Does `MADV_COLLAPSE` go on with the next block after this?
    pub const fn goes_on(self) -> bool {
        match self {
            Self::Succeed
            | Self::PmdMapped
            | Self::PmdNull
            | Self::NoPteTable
            | Self::PteNonPresent
            | Self::PteUffdWp
            | Self::LackReferencedPage
            | Self::PageNull
            | Self::PageCompound
            | Self::PageCount
            | Self::PageLru
            | Self::PageLock => true,
            Self::PteMappedHugepage
            | Self::PmdNone
            | Self::ExceedNonePte
            | Self::ExceedSwapPte
            | Self::ExceedSharedPte
            | Self::PageAnon
            | Self::VmaNull
            | Self::AddressRange
            | Self::VmaCheck
            | Self::AllocHugePageFail
            | Self::Truncated
            | Self::PageDirtyOrWriteback
            | Self::Fail => false,
        }
    }

    /// What `MADV_COLLAPSE` fails with if this was the last failure (`madvise_collapse_errno()`).
    pub const fn errno(self) -> Errno {
        match self {
            Self::AllocHugePageFail => Errno::ENOMEM,
            Self::ExceedNonePte => Errno::EBUSY,
            Self::PageCount | Self::PageLru | Self::PageDirtyOrWriteback | Self::PageLock => {
                Errno::EAGAIN
            }
            Self::Succeed
            | Self::PmdMapped
            | Self::PteMappedHugepage
            | Self::PmdNull
            | Self::PmdNone
            | Self::NoPteTable
            | Self::ExceedSwapPte
            | Self::ExceedSharedPte
            | Self::PteNonPresent
            | Self::PteUffdWp
            | Self::LackReferencedPage
            | Self::PageNull
            | Self::PageAnon
            | Self::PageCompound
            | Self::VmaNull
            | Self::AddressRange
            | Self::VmaCheck
            | Self::Truncated
            | Self::Fail => Errno::EINVAL,
        }
    }
}

impl fmt::Display for ScanResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
