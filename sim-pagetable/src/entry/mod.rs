//! Page-table entries with names for their bits.

mod batch;
mod view;

use std::fmt;
use std::marker::PhantomData;

pub use self::view::{
    DeviceKind, EntryView, Marker, MigrationEntry, MigrationKind, PresentEntry, SwapEntry, SwapSlot,
};
use self::view::{
    TYPE_DEVICE_EXCLUSIVE, TYPE_DEVICE_READ, TYPE_DEVICE_WRITE, TYPE_HWPOISON, TYPE_MARKER,
    TYPE_MIGRATION_READ, TYPE_MIGRATION_READ_EXCLUSIVE, TYPE_MIGRATION_WRITE,
};
use crate::{Arch, PageProt, PageSize, Pfn};

/// A 64-bit entry of a page table of `A`, as the hardware or Linux would have it.
///
/// The `with_` and `mk_` methods return the changed entry; storing it is a matter of
/// [`PteSlot`](crate::PteSlot) and [`PmdSlot`](crate::PmdSlot).
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Entry<A: Arch>(u64, PhantomData<A>);

impl<A: Arch> PartialEq for Entry<A> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<A: Arch> Eq for Entry<A> {}

impl<A: Arch> Default for Entry<A> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<A: Arch> fmt::Debug for Entry<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x} {:?}", self.0, self.view())
    }
}

impl<A: Arch> Entry<A> {
    /// The empty entry.
    pub const NONE: Self = Self::from_raw(0);
    /// Swap devices that entries can name.
    pub const SWAP_DEVICES: u8 = TYPE_HWPOISON;

    /// The entry with these bits.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw, PhantomData)
    }

    /// Its bits.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// A 4 KiB page with a VMA's protection, clean and young as all user protections are.
    pub fn page(pfn: Pfn, prot: PageProt) -> Self {
        Self::from_raw(A::leaf(pfn, prot, PageSize::Base))
    }

    /// A 2 MiB page; `pfn` is its first frame.
    pub fn huge(pfn: Pfn, prot: PageProt) -> Self {
        debug_assert_eq!(pfn, pfn.huge_down(), "huge page is not aligned");
        Self::from_raw(A::leaf(pfn, prot, PageSize::Huge))
    }

    /// An entry for a page in swap.
    ///
    /// # Panics
    /// If the device or offset does not fit the format, or the offset is 0.
    pub fn swap(slot: SwapSlot) -> Self {
        assert!(slot.offset != 0, "page 0 of a swap device is its header");
        assert!(slot.device < Self::SWAP_DEVICES, "no such swap device");
        assert!(
            slot.offset >> A::SWP_OFFSET_BITS == 0,
            "swap offset too large"
        );
        Self::from_raw(A::swap(slot.device, slot.offset))
    }

    /// An entry for a page that is being moved; see [`Self::with_migration_state`].
    pub fn migration(kind: MigrationKind, pfn: Pfn) -> Self {
        let kind = match kind {
            MigrationKind::Read => TYPE_MIGRATION_READ,
            MigrationKind::ReadExclusive => TYPE_MIGRATION_READ_EXCLUSIVE,
            MigrationKind::Write => TYPE_MIGRATION_WRITE,
        };
        Self::from_raw(A::swap(kind, pfn.get()))
    }

    /// The migration entry with young and dirty recorded above the frame number.
    #[must_use]
    pub fn with_migration_state(self, young: bool, dirty: bool) -> Self {
        let flags = self.0 & (A::SWP_SOFT_DIRTY | A::SWP_UFFD_WP);
        let pfn = A::swap_offset(self.0) & ((1 << A::SWP_PFN_BITS) - 1);
        let state = (u64::from(young) | u64::from(dirty) << 1) << A::SWP_PFN_BITS;
        Self::from_raw(A::swap(A::swap_type(self.0), pfn | state) | flags)
    }

    /// A marker.
    ///
    /// # Panics
    /// If it is empty: Linux takes that for a bug.
    pub fn marker(marker: Marker) -> Self {
        assert!(!marker.is_empty(), "empty marker");
        Self::from_raw(A::swap(TYPE_MARKER, u64::from(marker.bits())))
    }

    /// A page with a hardware memory error.
    pub fn hw_poison(pfn: Pfn) -> Self {
        Self::from_raw(A::swap(TYPE_HWPOISON, pfn.get()))
    }

    /// Memory of a device.
    pub fn device(kind: DeviceKind, pfn: Pfn) -> Self {
        let kind = match kind {
            DeviceKind::PrivateWrite => TYPE_DEVICE_WRITE,
            DeviceKind::PrivateRead => TYPE_DEVICE_READ,
            DeviceKind::Exclusive => TYPE_DEVICE_EXCLUSIVE,
        };
        Self::from_raw(A::swap(kind, pfn.get()))
    }

    /// Is it empty?
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Does it map a page, be it for `PROT_NONE`?
    pub fn is_present(self) -> bool {
        A::is_present(self.0)
    }

    /// The frame of a present entry.
    pub fn pfn(self) -> Option<Pfn> {
        self.is_present().then(|| A::pfn(self.0))
    }

    /// The marker, if it is one.
    pub fn as_marker(self) -> Option<Marker> {
        let is_marker =
            !self.is_none() && !self.is_present() && A::swap_type(self.0) == TYPE_MARKER;
        is_marker.then(|| Marker::from_bits_truncate(A::swap_offset(self.0) as u8))
    }

    /// Is it a guard marker?
    pub fn is_guard(self) -> bool {
        self.as_marker().is_some_and(|m| m.contains(Marker::GUARD))
    }

    /// Is it a present 2 MiB leaf?
    pub fn is_huge(self) -> bool {
        self.is_present() && A::is_huge(self.0)
    }

    /// Invalid to the hardware though present to Linux?
    pub fn is_prot_none(self) -> bool {
        self.is_present() && !A::is_valid(self.0)
    }

    /// `pte_write()`; for present entries.
    pub fn is_writable(self) -> bool {
        A::is_writable(self.0)
    }

    /// `pte_young()`; for present entries.
    pub fn is_young(self) -> bool {
        self.0 & A::YOUNG != 0
    }

    /// `pte_dirty()`; for present entries.
    pub fn is_dirty(self) -> bool {
        A::is_dirty(self.0)
    }

    /// `pte_soft_dirty()`; for present entries.
    pub fn is_soft_dirty(self) -> bool {
        self.0 & A::SOFT_DIRTY != 0
    }

    /// `pte_uffd_wp()`; for present entries.
    pub fn is_uffd_wp(self) -> bool {
        self.0 & A::UFFD_WP != 0
    }

    /// `pte_special()`; for present entries.
    pub fn is_special(self) -> bool {
        self.0 & A::SPECIAL != 0
    }

    const fn swp_soft_dirty(self) -> bool {
        self.0 & A::SWP_SOFT_DIRTY != 0
    }

    const fn swp_uffd_wp(self) -> bool {
        self.0 & A::SWP_UFFD_WP != 0
    }

    const fn with_bit(self, bit: u64, on: bool) -> Self {
        Self::from_raw(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// `pte_mkwrite()`.
    #[must_use]
    pub fn mk_write(self) -> Self {
        Self::from_raw(A::mk_write(self.0))
    }

    /// `pte_wrprotect()`.
    #[must_use]
    pub fn wrprotect(self) -> Self {
        Self::from_raw(A::wrprotect(self.0))
    }

    /// `pte_mkdirty()`: sets soft-dirty too where the format has it.
    #[must_use]
    pub fn mk_dirty(self) -> Self {
        Self::from_raw(A::mk_dirty(self.0))
    }

    /// `pte_mkclean()`.
    #[must_use]
    pub fn mk_clean(self) -> Self {
        Self::from_raw(A::mk_clean(self.0))
    }

    /// `pte_mkyoung()`.
    #[must_use]
    pub const fn mk_young(self) -> Self {
        self.with_bit(A::YOUNG, true)
    }

    /// `pte_mkold()`.
    #[must_use]
    pub const fn mk_old(self) -> Self {
        self.with_bit(A::YOUNG, false)
    }

    /// `pte_mkspecial()`.
    #[must_use]
    pub const fn mk_special(self) -> Self {
        self.with_bit(A::SPECIAL, true)
    }

    /// `pte_modify()`: another protection, same page and state.
    #[must_use]
    pub fn modify(self, prot: PageProt) -> Self {
        Self::from_raw(A::modify(self.0, prot))
    }

    /// Sets or clears soft-dirty of a present or non-present entry (`pte_mksoft_dirty()`,
    /// `pte_swp_mksoft_dirty()`), markers included. Nothing where the format has none.
    #[must_use]
    pub fn with_soft_dirty(self, on: bool) -> Self {
        if self.is_present() {
            self.with_bit(A::SOFT_DIRTY, on)
        } else {
            self.with_bit(A::SWP_SOFT_DIRTY, on)
        }
    }

    /// Soft-dirty of a present or non-present entry.
    pub fn soft_dirty(self) -> bool {
        if self.is_present() {
            self.is_soft_dirty()
        } else {
            self.swp_soft_dirty()
        }
    }

    /// Sets or clears userfaultfd write-protection of a present, swap or migration entry. Setting
    /// it on a present entry also write-protects (`pte_mkuffd_wp()`); clearing does not make it
    /// writable again.
    #[must_use]
    pub fn with_uffd_wp(self, on: bool) -> Self {
        if !self.is_present() {
            return self.with_bit(A::SWP_UFFD_WP, on);
        }
        let entry = self.with_bit(A::UFFD_WP, on);
        if on { entry.wrprotect() } else { entry }
    }

    /// Userfaultfd write-protection of a present, swap or migration entry, or of a marker
    /// (`pte_uffd_wp()`, `pte_swp_uffd_wp_any()`).
    pub fn uffd_wp(self) -> bool {
        if self.is_present() {
            self.is_uffd_wp()
        } else if let Some(marker) = self.as_marker() {
            marker.contains(Marker::UFFD_WP)
        } else {
            self.swp_uffd_wp()
        }
    }

    /// Sets or clears the exclusive bit of a swap entry.
    #[must_use]
    pub const fn with_swp_exclusive(self, on: bool) -> Self {
        self.with_bit(A::SWP_EXCLUSIVE, on)
    }

    /// The 4 KiB entry for the `index`-th page of a present 2 MiB leaf, same rights and state
    /// (`__split_huge_pmd_locked()`).
    #[must_use]
    pub fn split_page(self, index: u64) -> Self {
        Self::from_raw(A::leaf_of_huge(self.0, A::pfn(self.0).add(index)))
    }
}
