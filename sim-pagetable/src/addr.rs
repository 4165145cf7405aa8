//! Virtual addresses, frame numbers and levels.

use std::fmt;

/// log2 of [`PAGE_SIZE`].
pub(crate) const PAGE_SHIFT: u32 = 12;
/// Bytes of a page: 4 KiB on both architectures.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// Bytes that a PMD entry maps: 2 MiB.
pub const HUGE_SIZE: u64 = 1 << 21;
/// Pages that a PMD entry maps: 512.
pub const HUGE_PAGES: u64 = HUGE_SIZE / PAGE_SIZE;
/// Entries of a table.
pub(crate) const ENTRIES: usize = 512;

/// A virtual address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Va(u64);

impl Va {
    /// The address with this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The address as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The start of its page.
    #[must_use]
    pub const fn page_down(self) -> Self {
        Self(self.0 & !(PAGE_SIZE - 1))
    }

    /// The start of its 2 MiB block.
    #[must_use]
    pub const fn huge_down(self) -> Self {
        Self(self.0 & !(HUGE_SIZE - 1))
    }

    /// The address `bytes` above.
    #[must_use]
    pub const fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// The index of its page in its PTE table, 0 to 511.
    pub const fn pte_index(self) -> usize {
        Level::Pte.index(self)
    }
}

impl From<u64> for Va {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<Va> for u64 {
    fn from(va: Va) -> Self {
        va.0
    }
}

impl fmt::Debug for Va {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Half-open, page-aligned range of virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VaRange {
    start: Va,
    end: Va,
}

impl VaRange {
    /// The range from `start` up to `end`.
    ///
    /// # Panics
    /// If an end is not page-aligned or `end` lies below `start`.
    #[track_caller]
    pub fn new(start: impl Into<Va>, end: impl Into<Va>) -> Self {
        let (start, end) = (start.into(), end.into());
        assert!(start <= end, "range ends below its start");
        assert!(
            (start.0 | end.0).is_multiple_of(PAGE_SIZE),
            "range is not page-aligned"
        );
        Self { start, end }
    }

    /// The page that contains `va`.
    pub fn page(va: Va) -> Self {
        let start = va.page_down();
        Self {
            start,
            end: start.add(PAGE_SIZE),
        }
    }

    /// First address.
    pub const fn start(self) -> Va {
        self.start
    }

    /// First address beyond.
    pub const fn end(self) -> Va {
        self.end
    }

    /// Number of pages.
    pub const fn pages(self) -> u64 {
        (self.end.0 - self.start.0) / PAGE_SIZE
    }

    /// Has it no page?
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Does it span a whole aligned 2 MiB block, and no more?
    pub const fn is_huge_block(self) -> bool {
        self.start.0.is_multiple_of(HUGE_SIZE) && self.end.0 - self.start.0 == HUGE_SIZE
    }

    /// The addresses of its pages.
    pub fn page_addresses(self) -> impl Iterator<Item = Va> {
        (self.start.0..self.end.0)
            .step_by(PAGE_SIZE as usize)
            .map(Va)
    }
}

impl fmt::Debug for VaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start.0, self.end.0)
    }
}

/// A physical frame number: a physical address without its low 12 bits.
///
/// ```text
///  0          reserved (never a frame)
///  1          the zero page
///  512..1024  the huge zero page
///  1024..     RAM
///  2^32..     frames of devices (no metadata here)
///  2^33..     page tables
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Pfn(u64);

impl Pfn {
    /// The page of zeroes that read faults map.
    pub const ZERO_PAGE: Self = Self(1);
    /// The 2 MiB page of zeroes.
    pub const HUGE_ZERO_PAGE: Self = Self(HUGE_PAGES);
    /// The first frame of RAM.
    pub const RAM_BASE: Self = Self(2 * HUGE_PAGES);
    /// The first frame of devices; such frames have no metadata.
    pub const DEVICE_BASE: Self = Self(1 << 32);
    /// The first frame of page tables.
    pub const TABLE_BASE: Self = Self(1 << 33);

    /// The frame with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The frame's number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The physical address of its first byte.
    pub const fn phys(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// The frame `n` above.
    #[must_use]
    pub const fn add(self, n: u64) -> Self {
        Self(self.0 + n)
    }

    /// The first frame of its aligned 2 MiB block.
    #[must_use]
    pub const fn huge_down(self) -> Self {
        Self(self.0 & !(HUGE_PAGES - 1))
    }

    /// Is it RAM, or one of the zero pages? Such frames have metadata.
    pub const fn has_meta(self) -> bool {
        self.0 < Self::DEVICE_BASE.0
    }

    /// Is it the zero page or a part of the huge zero page?
    pub const fn is_zero_page(self) -> bool {
        self.0 < Self::RAM_BASE.0
    }

    /// Is it a page table?
    pub const fn is_table(self) -> bool {
        self.0 >= Self::TABLE_BASE.0
    }
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:#x}", self.0)
    }
}

/// A level of the tree, by the name of the tables at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Entries map 4 KiB pages.
    Pte,
    /// Entries map 2 MiB or refer to PTE tables.
    Pmd,
    /// Entries span 1 GiB.
    Pud,
    /// The root; entries span 512 GiB.
    Pgd,
}

impl Level {
    /// log2 of the bytes that an entry spans.
    pub const fn shift(self) -> u32 {
        match self {
            Self::Pte => 12,
            Self::Pmd => 21,
            Self::Pud => 30,
            Self::Pgd => 39,
        }
    }

    /// Bytes that an entry spans.
    pub const fn span(self) -> u64 {
        1 << self.shift()
    }

    /// The index of `va` in a table of this level.
    pub const fn index(self, va: Va) -> usize {
        (va.0 >> self.shift()) as usize & (ENTRIES - 1)
    }

    /// The level that the entries of this one refer to.
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::Pte => None,
            Self::Pmd => Some(Self::Pte),
            Self::Pud => Some(Self::Pmd),
            Self::Pgd => Some(Self::Pud),
        }
    }
}
