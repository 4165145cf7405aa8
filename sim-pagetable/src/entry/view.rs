//! Entries decoded.

use bitflags::bitflags;

use super::Entry;
use crate::{Arch, PageSize, Pfn};

bitflags! {
    /// What a marker remembers of a page that is not there (`pte_marker`).
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct Marker: u8 {
        /// The page was write-protected by userfaultfd.
        const UFFD_WP = 1;
        /// Accesses are memory errors (`UFFDIO_POISON`).
        const POISON = 2;
        /// A guard region (`MADV_GUARD_INSTALL`).
        const GUARD = 4;
    }
}

/// A place in swap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SwapSlot {
    /// The swap device.
    pub device: u8,
    /// The page on it, from 1: page 0 is the device's header (on arm64 its entry would be empty).
    pub offset: u64,
}

impl SwapSlot {
    /// The place so many pages further.
    #[must_use]
    pub const fn add(self, pages: u64) -> Self {
        Self {
            offset: self.offset + pages,
            ..self
        }
    }
}

/// Rights that a page under migration had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MigrationKind {
    /// Read-only, possibly shared.
    Read,
    /// Read-only, an exclusive anonymous page.
    ReadExclusive,
    /// Writable.
    Write,
}

/// Kinds of entries for device memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeviceKind {
    /// Writable page in private device memory.
    PrivateWrite,
    /// Read-only page in private device memory.
    PrivateRead,
    /// Page to which a device has exclusive access.
    Exclusive,
}

/// A present entry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PresentEntry {
    /// The frame.
    pub pfn: Pfn,
    /// 4 KiB or 2 MiB.
    pub size: PageSize,
    /// Present to Linux, invalid to the hardware.
    pub prot_none: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub exec: bool,
    /// Was accessed.
    pub young: bool,
    /// Was written.
    pub dirty: bool,
    /// Soft-dirty.
    pub soft_dirty: bool,
    /// Write-protected by userfaultfd.
    pub uffd_wp: bool,
    /// No `struct page` of its own: zero page, raw frame.
    pub special: bool,
}

/// A swap entry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SwapEntry {
    /// Where the page is.
    pub slot: SwapSlot,
    /// It was exclusive.
    pub exclusive: bool,
    /// Soft-dirty.
    pub soft_dirty: bool,
    /// Write-protected by userfaultfd.
    pub uffd_wp: bool,
}

/// A migration entry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MigrationEntry {
    /// The rights it had.
    pub kind: MigrationKind,
    /// The frame it is moving from.
    pub pfn: Pfn,
    /// Was accessed.
    pub young: bool,
    /// Was written.
    pub dirty: bool,
    /// Soft-dirty.
    pub soft_dirty: bool,
    /// Write-protected by userfaultfd.
    pub uffd_wp: bool,
}

/// An entry of a PTE table, or a leaf of a PMD table, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryView {
    /// Empty.
    None,
    /// A page, `PROT_NONE` ones included.
    Present(PresentEntry),
    /// A page in swap.
    Swap(SwapEntry),
    /// A page being moved.
    Migration(MigrationEntry),
    /// No page but something to remember.
    Marker(Marker),
    /// A page with a hardware memory error.
    HwPoison(Pfn),
    /// Memory of a device.
    Device(DeviceKind, Pfn),
}

/// Types of non-present entries (include/linux/swap.h, 6.19); those below are swap devices.
pub(super) const TYPE_HWPOISON: u8 = 24;
pub(super) const TYPE_MIGRATION_READ: u8 = 25;
pub(super) const TYPE_MIGRATION_READ_EXCLUSIVE: u8 = 26;
pub(super) const TYPE_MIGRATION_WRITE: u8 = 27;
pub(super) const TYPE_DEVICE_WRITE: u8 = 28;
pub(super) const TYPE_DEVICE_READ: u8 = 29;
pub(super) const TYPE_DEVICE_EXCLUSIVE: u8 = 30;
pub(super) const TYPE_MARKER: u8 = 31;

impl<A: Arch> Entry<A> {
    /// The entry decoded.
    pub fn view(self) -> EntryView {
        if self.is_none() {
            return EntryView::None;
        }
        if self.is_present() {
            return EntryView::Present(self.present_view());
        }
        let pfn = Pfn::new(A::swap_offset(self.0));
        let migration = |kind| EntryView::Migration(self.migration_view(kind));
        match A::swap_type(self.0) {
            TYPE_HWPOISON => EntryView::HwPoison(pfn),
            TYPE_MIGRATION_READ => migration(MigrationKind::Read),
            TYPE_MIGRATION_READ_EXCLUSIVE => migration(MigrationKind::ReadExclusive),
            TYPE_MIGRATION_WRITE => migration(MigrationKind::Write),
            TYPE_DEVICE_WRITE => EntryView::Device(DeviceKind::PrivateWrite, pfn),
            TYPE_DEVICE_READ => EntryView::Device(DeviceKind::PrivateRead, pfn),
            TYPE_DEVICE_EXCLUSIVE => EntryView::Device(DeviceKind::Exclusive, pfn),
            TYPE_MARKER => EntryView::Marker(Marker::from_bits_truncate(pfn.get() as u8)),
            device => EntryView::Swap(SwapEntry {
                slot: SwapSlot {
                    device,
                    offset: pfn.get(),
                },
                exclusive: self.0 & A::SWP_EXCLUSIVE != 0,
                soft_dirty: self.swp_soft_dirty(),
                uffd_wp: self.swp_uffd_wp(),
            }),
        }
    }

    fn present_view(self) -> PresentEntry {
        PresentEntry {
            pfn: A::pfn(self.0),
            size: if A::is_huge(self.0) {
                PageSize::Huge
            } else {
                PageSize::Base
            },
            prot_none: !A::is_valid(self.0),
            write: self.is_writable(),
            exec: A::is_executable(self.0),
            young: self.is_young(),
            dirty: self.is_dirty(),
            soft_dirty: self.is_soft_dirty(),
            uffd_wp: self.is_uffd_wp(),
            special: self.is_special(),
        }
    }

    fn migration_view(self, kind: MigrationKind) -> MigrationEntry {
        let offset = A::swap_offset(self.0);
        MigrationEntry {
            kind,
            pfn: Pfn::new(offset & ((1 << A::SWP_PFN_BITS) - 1)),
            young: offset >> A::SWP_PFN_BITS & 1 != 0,
            dirty: offset >> A::SWP_PFN_BITS & 2 != 0,
            soft_dirty: self.swp_soft_dirty(),
            uffd_wp: self.swp_uffd_wp(),
        }
    }
}
