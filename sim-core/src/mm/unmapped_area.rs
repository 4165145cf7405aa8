//! Where a mapping without a fixed address goes.

use crate::store::VmaStore;
use crate::{Backing, Bytes, Errno, MapFlags, Mm, PageOffset, VirtAddr};

/// What is to be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaRequest {
    /// The hint; with `FIXED` the address.
    pub addr: VirtAddr,
    /// The length, whole pages.
    pub len: Bytes,
    /// The offset, for alignment.
    pub pgoff: PageOffset,
    /// `MAP_*`.
    pub flags: MapFlags,
    /// What is to be mapped; shared anonymous memory is an object.
    pub backing: Backing,
}

impl<S: VmaStore> Mm<S> {
    /// Finds a place (`mm/mmap.c: __get_unmapped_area()`).
    ///
    /// # Errors
    /// `ENOMEM` if there is none; `EINVAL` for an unaligned fixed address.
    pub fn get_unmapped_area(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        let _ = request;
        Err(Errno::ENOSYS)
    }
}
