//! x86_64 with 4-level paging: arch/x86/include/asm/pgtable*.h, 6.19.

use super::{Access, Arch, PageProt, PageSize, Sharing};
use crate::Pfn;

/// x86_64 as Linux configures it with soft-dirty tracking (`CONFIG_MEM_SOFT_DIRTY`).
pub type X86_64 = X86_64Format<true>;
/// x86_64 without soft-dirty tracking.
pub type X86_64NoSoftDirty = X86_64Format<false>;

/// The x86_64 format; the parameter says whether bit 11 tracks soft-dirty.
#[derive(Clone, Copy, Debug)]
pub struct X86_64Format<const SOFT_DIRTY: bool>;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const PWT: u64 = 1 << 3;
const PCD: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const PSE: u64 = 1 << 7;
/// The Global bit; in an entry without PRESENT it says `PROT_NONE`.
const PROT_NONE: u64 = 1 << 8;
const SPECIAL: u64 = 1 << 9;
const UFFD_WP: u64 = 1 << 10;
const SOFT_DIRTY_BIT: u64 = 1 << 11;
const SAVED_DIRTY: u64 = 1 << 58;
const NX: u64 = 1 << 63;
const PFN_MASK: u64 = 0x000f_ffff_ffff_f000;
const HUGE_PFN_MASK: u64 = 0x000f_ffff_ffe0_0000;
/// What `pte_modify()` keeps besides the frame (`_COMMON_PAGE_CHG_MASK`).
const KEPT: u64 = PCD | PWT | SPECIAL | ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY_BIT | UFFD_WP;
const TABLE: u64 = PRESENT | WRITE | USER | ACCESSED | DIRTY;

/// Nonzero entries without PRESENT hold their frame number inverted, so that speculation through
/// them (L1TF) hits no cached memory (`__pte_needs_invert()`).
const fn inverted(raw: u64) -> u64 {
    if raw != 0 && raw & PRESENT == 0 {
        u64::MAX
    } else {
        0
    }
}

const fn pfn_mask(raw: u64) -> u64 {
    if raw & PSE == 0 {
        PFN_MASK
    } else {
        HUGE_PFN_MASK
    }
}

/// Write=0,Dirty=1 is a shadow stack: such a dirty bit moves to bit 58 (`pte_mksaveddirty()`).
const fn save_dirty(raw: u64) -> u64 {
    let moves = (!raw >> 1) & (raw >> 6) & 1;
    (raw | moves << 58) & !(moves << 6)
}

/// With Write=1 the saved dirty bit moves back (`pte_clear_saveddirty()`).
const fn restore_dirty(raw: u64) -> u64 {
    let moves = (raw >> 1) & (raw >> 58) & 1;
    (raw | moves << 6) & !(moves << 58)
}

impl<const SOFT_DIRTY: bool> Arch for X86_64Format<SOFT_DIRTY> {
    const NAME: &'static str = "x86_64";
    const VA_BITS: u32 = 47;
    const YOUNG: u64 = ACCESSED;
    const SOFT_DIRTY: u64 = if SOFT_DIRTY { SOFT_DIRTY_BIT } else { 0 };
    const UFFD_WP: u64 = UFFD_WP;
    const SPECIAL: u64 = SPECIAL;
    const SWP_SOFT_DIRTY: u64 = if SOFT_DIRTY { 1 << 1 } else { 0 };
    const SWP_UFFD_WP: u64 = 1 << 2;
    const SWP_EXCLUSIVE: u64 = 1 << 3;
    const SWP_PFN_BITS: u32 = 34;
    const SWP_OFFSET_BITS: u32 = 50;
    const FLUSH_CEILING: u64 = 33;
    const BREAK_BEFORE_MAKE: bool = false;
    const SOFTWARE_AD: bool = false;

    fn page_prot(access: Access, sharing: Sharing) -> PageProt {
        let Access { read, write, exec } = access;
        if !read && !write && !exec {
            return PageProt(ACCESSED | PROT_NONE);
        }
        let mut bits = PRESENT | USER | ACCESSED;
        if write && sharing == Sharing::Shared {
            bits |= WRITE;
        }
        if !exec {
            bits |= NX;
        }
        PageProt(bits)
    }

    fn leaf(pfn: Pfn, prot: PageProt, size: PageSize) -> u64 {
        let prot = match size {
            PageSize::Base => prot.0,
            PageSize::Huge => prot.0 | PSE,
        };
        ((pfn.phys() ^ inverted(prot)) & pfn_mask(prot)) | prot
    }

    fn table(pfn: Pfn) -> u64 {
        pfn.phys() | TABLE
    }

    fn table_pfn(raw: u64) -> Option<Pfn> {
        (raw & (PRESENT | PSE) == PRESENT).then(|| Pfn::new((raw & PFN_MASK) >> 12))
    }

    fn is_present(raw: u64) -> bool {
        raw & (PRESENT | PROT_NONE) != 0
    }

    fn is_valid(raw: u64) -> bool {
        raw & PRESENT != 0
    }

    fn is_huge(raw: u64) -> bool {
        raw & PSE != 0
    }

    fn pfn(raw: u64) -> Pfn {
        Pfn::new(((raw ^ inverted(raw)) & pfn_mask(raw)) >> 12)
    }

    fn is_writable(raw: u64) -> bool {
        raw & WRITE != 0
    }

    fn is_executable(raw: u64) -> bool {
        raw & (NX | PRESENT) == PRESENT
    }

    fn is_user(raw: u64) -> bool {
        raw & (PRESENT | USER) == PRESENT | USER
    }

    fn is_dirty(raw: u64) -> bool {
        raw & (DIRTY | SAVED_DIRTY) != 0
    }

    fn mk_write(raw: u64) -> u64 {
        restore_dirty(raw | WRITE)
    }

    fn wrprotect(raw: u64) -> u64 {
        save_dirty(raw & !WRITE)
    }

    fn mk_dirty(raw: u64) -> u64 {
        save_dirty(raw | DIRTY | Self::SOFT_DIRTY)
    }

    fn is_write_noted(raw: u64) -> bool {
        raw & DIRTY != 0
    }

    fn hw_write(raw: u64) -> u64 {
        raw | DIRTY
    }

    fn mk_clean(raw: u64) -> u64 {
        raw & !(DIRTY | SAVED_DIRTY)
    }

    fn modify(raw: u64, prot: PageProt) -> u64 {
        let frame = pfn_mask(raw);
        let kept = frame | KEPT | (raw & PSE);
        let mut new = (raw & kept) | (prot.0 & !kept);
        if inverted(raw) != inverted(new) {
            new ^= frame;
        }
        if raw & WRITE == 0 {
            restore_dirty(new)
        } else {
            save_dirty(new)
        }
    }

    fn prot(raw: u64) -> PageProt {
        PageProt(raw & !PFN_MASK & !PSE)
    }

    fn leaf_of_huge(raw: u64, pfn: Pfn) -> u64 {
        Self::leaf(pfn, Self::prot(raw), PageSize::Base)
    }

    fn swap(kind: u8, offset: u64) -> u64 {
        u64::from(kind) << 59 | (!offset << 14) >> 5
    }

    fn swap_type(raw: u64) -> u8 {
        (raw >> 59) as u8
    }

    fn swap_offset(raw: u64) -> u64 {
        (!raw << 5) >> 14
    }
}
