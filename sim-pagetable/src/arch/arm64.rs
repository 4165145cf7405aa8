//! arm64, 4 KiB granule, 48-bit addresses: arch/arm64/include/asm/pgtable*.h, 6.19.
//!
//! Writable is bit 51 (DBM), read-only bit 7: a writable clean page has both, a write clears bit 7,
//! and a page that is write-protected keeps its dirtiness in software bit 55.

use super::{Access, Arch, PageProt, PageSize, Sharing};
use crate::Pfn;

/// The arm64 format.
#[derive(Clone, Copy, Debug)]
pub struct Arm64;

const VALID: u64 = 1 << 0;
/// With VALID: a table (above PTE level) or a page (at it); without, at PMD level: a 2 MiB block.
const TABLE_BIT: u64 = 1 << 1;
const ATTR_MASK: u64 = 7 << 2;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
/// Not global; in an entry without VALID it says that Linux takes the entry as present.
const NOT_GLOBAL: u64 = 1 << 11;
const GUARDED: u64 = 1 << 50;
const WRITE: u64 = 1 << 51;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
const DIRTY: u64 = 1 << 55;
const SPECIAL: u64 = 1 << 56;
const UFFD_WP: u64 = 1 << 58;
const OVERLAY: u64 = 7 << 60;
const PFN_MASK: u64 = 0x0000_ffff_ffff_f000;
/// User tables: PXN for everything below (bit 59).
const TABLE: u64 = VALID | TABLE_BIT | ACCESSED | 1 << 59;
/// What a page of a user mapping always has (`_PAGE_DEFAULT` and nG, PXN).
const PAGE: u64 = VALID | TABLE_BIT | INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PXN;
/// What `pte_modify()` replaces.
const REPLACED: u64 =
    USER | PXN | UXN | READ_ONLY | NOT_GLOBAL | VALID | WRITE | GUARDED | ATTR_MASK | OVERLAY;

const fn is_hw_dirty(raw: u64) -> bool {
    raw & (WRITE | READ_ONLY) == WRITE
}

/// Keeps hardware dirtiness in the software bit.
const fn save_dirty(raw: u64) -> u64 {
    if is_hw_dirty(raw) { raw | DIRTY } else { raw }
}

impl Arch for Arm64 {
    const NAME: &'static str = "arm64";
    const VA_BITS: u32 = 48;
    const YOUNG: u64 = ACCESSED;
    const SOFT_DIRTY: u64 = 0;
    const UFFD_WP: u64 = UFFD_WP;
    const SPECIAL: u64 = SPECIAL;
    const SWP_SOFT_DIRTY: u64 = 0;
    const SWP_UFFD_WP: u64 = 1 << 3;
    const SWP_EXCLUSIVE: u64 = 1 << 2;
    const SWP_PFN_BITS: u32 = 36;
    const SWP_OFFSET_BITS: u32 = 50;
    const FLUSH_CEILING: u64 = 512;
    const BREAK_BEFORE_MAKE: bool = true;
    const SOFTWARE_AD: bool = true;

    fn page_prot(access: Access, sharing: Sharing) -> PageProt {
        let Access { read, write, exec } = access;
        if !read && !write && !exec {
            return PageProt((PAGE & !VALID) | READ_ONLY | UXN);
        }
        let mut bits = PAGE | USER | READ_ONLY;
        if write && sharing == Sharing::Shared {
            bits |= WRITE;
        }
        if !exec {
            bits |= UXN;
        }
        PageProt(bits)
    }

    fn leaf(pfn: Pfn, prot: PageProt, size: PageSize) -> u64 {
        match size {
            PageSize::Base => pfn.phys() | prot.0,
            PageSize::Huge => pfn.phys() | (prot.0 & !TABLE_BIT),
        }
    }

    fn table(pfn: Pfn) -> u64 {
        pfn.phys() | TABLE
    }

    fn table_pfn(raw: u64) -> Option<Pfn> {
        (raw & (VALID | TABLE_BIT) == VALID | TABLE_BIT).then(|| Pfn::new((raw & PFN_MASK) >> 12))
    }

    fn is_present(raw: u64) -> bool {
        raw & (VALID | NOT_GLOBAL) != 0
    }

    fn is_valid(raw: u64) -> bool {
        raw & VALID != 0
    }

    fn is_huge(raw: u64) -> bool {
        raw & TABLE_BIT == 0
    }

    fn pfn(raw: u64) -> Pfn {
        Pfn::new((raw & PFN_MASK) >> 12)
    }

    fn is_writable(raw: u64) -> bool {
        raw & WRITE != 0
    }

    fn is_executable(raw: u64) -> bool {
        raw & (UXN | VALID) == VALID
    }

    fn is_user(raw: u64) -> bool {
        raw & (USER | VALID) == USER | VALID
    }

    fn is_dirty(raw: u64) -> bool {
        raw & DIRTY != 0 || is_hw_dirty(raw)
    }

    fn mk_write(raw: u64) -> u64 {
        let raw = raw | WRITE;
        if raw & DIRTY == 0 {
            raw
        } else {
            raw & !READ_ONLY
        }
    }

    fn wrprotect(raw: u64) -> u64 {
        (save_dirty(raw) & !WRITE) | READ_ONLY
    }

    fn mk_dirty(raw: u64) -> u64 {
        let raw = raw | DIRTY;
        if raw & WRITE == 0 {
            raw
        } else {
            raw & !READ_ONLY
        }
    }

    fn is_write_noted(raw: u64) -> bool {
        raw & READ_ONLY == 0
    }

    fn hw_write(raw: u64) -> u64 {
        raw & !READ_ONLY
    }

    fn mk_clean(raw: u64) -> u64 {
        (raw & !DIRTY) | READ_ONLY
    }

    fn modify(raw: u64, prot: PageProt) -> u64 {
        let new = (save_dirty(raw) & !REPLACED) | (prot.0 & REPLACED);
        if new & DIRTY == 0 {
            new
        } else {
            Self::mk_dirty(new)
        }
    }

    fn prot(raw: u64) -> PageProt {
        PageProt((raw & !PFN_MASK) | TABLE_BIT)
    }

    fn leaf_of_huge(raw: u64, pfn: Pfn) -> u64 {
        Self::leaf(pfn, Self::prot(raw), PageSize::Base)
    }

    fn swap(kind: u8, offset: u64) -> u64 {
        u64::from(kind) << 6 | offset << 12
    }

    fn swap_type(raw: u64) -> u8 {
        (raw >> 6) as u8 & 0x1f
    }

    fn swap_offset(raw: u64) -> u64 {
        (raw >> 12) & ((1 << 50) - 1)
    }
}
