//! Addresses, lengths and page ranges.
//!
//! [`VirtAddr`] is any 64-bit number a program may pass, aligned or not; [`PageRange`] is always
//! page-aligned and half-open. Arithmetic that may overflow is `checked_*`; the operators panic on
//! overflow in every build, since a wrapped address is a bug of the simulator.

use std::fmt;
use std::ops::{Add, Sub};

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes of a page: 4 KiB on both architectures.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// log2 of [`PMD_SIZE`].
pub const PMD_SHIFT: u32 = 21;
/// Bytes that one PMD entry maps: 2 MiB.
pub const PMD_SIZE: u64 = 1 << PMD_SHIFT;
/// Pages that one PMD entry maps: 512.
pub const PMD_PAGES: u64 = PMD_SIZE / PAGE_SIZE;

/// A virtual address of a process; any 64-bit value, aligned or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VirtAddr(u64);

impl VirtAddr {
    /// Address 0.
    pub const ZERO: Self = Self(0);

    /// The address with this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The address as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Is it a multiple of [`PAGE_SIZE`]?
    pub const fn is_page_aligned(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE)
    }

    /// Is it a multiple of [`PMD_SIZE`]?
    pub const fn is_pmd_aligned(self) -> bool {
        self.0.is_multiple_of(PMD_SIZE)
    }

    /// The start of the page that contains it.
    #[must_use]
    pub const fn page_down(self) -> Self {
        Self(self.0 & !(PAGE_SIZE - 1))
    }

    /// The first page boundary at or above it; `None` beyond the last one.
    pub const fn page_up(self) -> Option<Self> {
        match self.0.checked_add(PAGE_SIZE - 1) {
            Some(value) => Some(Self(value & !(PAGE_SIZE - 1))),
            None => None,
        }
    }

    /// The start of the 2 MiB block that contains it.
    #[must_use]
    pub const fn pmd_down(self) -> Self {
        Self(self.0 & !(PMD_SIZE - 1))
    }

    /// The number of the page that contains it.
    pub const fn page_number(self) -> u64 {
        self.0 >> PAGE_SHIFT
    }

    /// The address `bytes` above, or `None` on overflow.
    pub const fn checked_add(self, bytes: Bytes) -> Option<Self> {
        match self.0.checked_add(bytes.0) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` below, or `None` on underflow.
    pub const fn checked_sub(self, bytes: Bytes) -> Option<Self> {
        match self.0.checked_sub(bytes.0) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `pages` above.
    ///
    /// # Panics
    /// On overflow.
    #[track_caller]
    #[must_use]
    pub fn add_pages(self, pages: u64) -> Self {
        self + Bytes(
            pages
                .checked_mul(PAGE_SIZE)
                .expect("page count overflows bytes"),
        )
    }
}

impl Add<Bytes> for VirtAddr {
    type Output = Self;
    #[track_caller]
    fn add(self, bytes: Bytes) -> Self {
        self.checked_add(bytes).expect("address overflow")
    }
}

impl Sub<Bytes> for VirtAddr {
    type Output = Self;
    #[track_caller]
    fn sub(self, bytes: Bytes) -> Self {
        self.checked_sub(bytes).expect("address underflow")
    }
}

impl Sub for VirtAddr {
    type Output = Bytes;
    #[track_caller]
    fn sub(self, other: Self) -> Bytes {
        Bytes(
            self.0
                .checked_sub(other.0)
                .expect("negative distance of addresses"),
        )
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// This many bytes.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// As many bytes as `pages` pages have.
    ///
    /// # Panics
    /// On overflow.
    pub const fn from_pages(pages: u64) -> Self {
        Self(
            pages
                .checked_mul(PAGE_SIZE)
                .expect("page count overflows bytes"),
        )
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole pages in it, rounded down.
    pub const fn pages(self) -> u64 {
        self.0 >> PAGE_SHIFT
    }

    /// Rounded up to whole pages as Linux's `PAGE_ALIGN` does: wraps to 0 near the top.
    #[must_use]
    pub const fn page_align(self) -> Self {
        Self(self.0.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1))
    }
}

/// A number of pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct PageCount(pub u64);

impl PageCount {
    /// This many pages.
    pub const fn new(pages: u64) -> Self {
        Self(pages)
    }

    /// The number of pages.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Their size.
    ///
    /// # Panics
    /// On overflow.
    pub const fn bytes(self) -> Bytes {
        Bytes::from_pages(self.0)
    }
}

/// An offset in a mapped object, in pages (`pgoff`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct PageOffset(pub u64);

impl PageOffset {
    /// This page of the object.
    pub const fn new(pages: u64) -> Self {
        Self(pages)
    }

    /// The number of the page.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `pages` further, wrapping as the kernel's `pgoff_t` does.
    #[must_use]
    pub const fn add_pages(self, pages: u64) -> Self {
        Self(self.0.wrapping_add(pages))
    }
}

/// A half-open, page-aligned, possibly empty range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageRange {
    start: VirtAddr,
    end: VirtAddr,
}

impl PageRange {
    /// The range `[start, end)`.
    ///
    /// # Panics
    /// If an end is not page-aligned, or `end < start`.
    #[inline]
    #[track_caller]
    pub const fn new(start: VirtAddr, end: VirtAddr) -> Self {
        assert!(
            start.is_page_aligned() && end.is_page_aligned(),
            "range is not page-aligned"
        );
        assert!(start.0 <= end.0, "range ends before it starts");
        Self { start, end }
    }

    /// The range `[start, end)`, or `None` if it is not aligned or ends before it starts.
    #[inline]
    pub const fn try_new(start: VirtAddr, end: VirtAddr) -> Option<Self> {
        if start.is_page_aligned() && end.is_page_aligned() && start.0 <= end.0 {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// `pages` pages from `start`.
    ///
    /// # Panics
    /// If `start` is not page-aligned or the end overflows.
    #[track_caller]
    pub fn from_pages(start: VirtAddr, pages: u64) -> Self {
        Self::new(start, start.add_pages(pages))
    }

    /// The one page that contains `addr`.
    pub fn page_of(addr: VirtAddr) -> Self {
        Self::from_pages(addr.page_down(), 1)
    }

    /// Its first address.
    pub const fn start(self) -> VirtAddr {
        self.start
    }

    /// The address after its last one.
    pub const fn end(self) -> VirtAddr {
        self.end
    }

    /// Its length.
    pub const fn len(self) -> Bytes {
        Bytes(self.end.0 - self.start.0)
    }

    /// Pages in it.
    pub const fn pages(self) -> u64 {
        self.len().pages()
    }

    /// Has it no page?
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Is `addr` in it?
    pub const fn contains(self, addr: VirtAddr) -> bool {
        self.start.0 <= addr.0 && addr.0 < self.end.0
    }

    /// Is all of `other` in it? (An empty range is in a range that contains or borders its place.)
    pub const fn contains_range(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Have they a page in common?
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// The pages that both have, if any.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// The parts below and above `at`.
    ///
    /// # Panics
    /// If `at` is not page-aligned or not within the range or at an end of it.
    #[track_caller]
    pub fn split_at(self, at: VirtAddr) -> (Self, Self) {
        assert!(
            self.start <= at && at <= self.end,
            "split point outside the range"
        );
        (Self::new(self.start, at), Self::new(at, self.end))
    }

    /// The first address of each of its pages, ascending.
    pub fn iter_pages(self) -> impl DoubleEndedIterator<Item = VirtAddr> {
        (self.start.page_number()..self.end.page_number()).map(|n| VirtAddr(n << PAGE_SHIFT))
    }
}

impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:#x}..{:#x})", self.start.0, self.end.0)
    }
}

impl fmt::Display for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> PageRange {
        PageRange::new(VirtAddr(start * PAGE_SIZE), VirtAddr(end * PAGE_SIZE))
    }

    #[test]
    fn ranges_of_a_small_world_obey_set_algebra() {
        for (a, b, c, d) in (0..5u64)
            .flat_map(|a| (a..5).flat_map(move |b| (0..5u64).map(move |c| (a, b, c))))
            .flat_map(|(a, b, c)| (c..5).map(move |d| (a, b, c, d)))
        {
            let (x, y) = (range(a, b), range(c, d));
            let common: Vec<_> = x
                .iter_pages()
                .filter(|p| y.iter_pages().any(|q| q == *p))
                .collect();
            assert_eq!(
                x.overlaps(y) && !x.is_empty() && !y.is_empty(),
                !common.is_empty()
            );
            let got: Vec<_> = x
                .intersect(y)
                .map(|r| r.iter_pages().collect())
                .unwrap_or_default();
            assert_eq!(got, common, "{x} and {y}");
            if !y.is_empty() {
                assert_eq!(x.contains_range(y), y.iter_pages().all(|p| x.contains(p)));
            }
        }
    }

    #[test]
    fn page_align_wraps_as_linux_does() {
        assert_eq!(Bytes(1).page_align(), Bytes(PAGE_SIZE));
        assert_eq!(Bytes(u64::MAX).page_align(), Bytes(0));
        assert_eq!(VirtAddr(u64::MAX).page_up(), None);
    }
}
