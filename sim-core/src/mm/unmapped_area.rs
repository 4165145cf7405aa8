//! Where a new mapping goes when the program leaves that to the kernel: `get_unmapped_area()`.
//!
//! ```text
//!  0        mmap_min_addr                                     mmap_base      stack   task_size
//!  |────────────┼──────────────── searched downwards ◄──────────────┤ · · · ──┤ ───────┤
//!               └───► legacy layout, MAP_32BIT, and what is tried when nothing is left below
//! ```
//!
//! Follows mm/mmap.c: `__get_unmapped_area()`, mm/vma.c: `unmapped_area*()`,
//! arch/x86/kernel/sys_x86_64.c and mm/huge_memory.c: `thp_get_unmapped_area()`, 6.18.

use crate::store::{VmaId, VmaStore};
use crate::{
    Arch, Backing, Bytes, Errno, MapFlags, MappedKind, Mm, PAGE_SIZE, PMD_SIZE, PageOffset,
    PageRange, VirtAddr, VmFlags,
};

/// `MAP_32BIT` looks here.
const LOW_32BIT: (VirtAddr, VirtAddr) = (VirtAddr::new(0x4000_0000), VirtAddr::new(0x8000_0000));
/// `MAP_ABOVE4G` looks from here.
const ABOVE4G: VirtAddr = VirtAddr::new(1 << 32);

/// What is to be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaRequest {
    /// The hint, or the address with `MAP_FIXED`; 0 for none.
    pub addr: VirtAddr,
    /// The length, whole pages.
    pub len: Bytes,
    /// The offset in the object, for alignment.
    pub pgoff: PageOffset,
    /// `MAP_*`: `FIXED`, `SHARED`, `LOW_32BIT` and `ABOVE4G` matter.
    pub flags: MapFlags,
    /// What is to be mapped; shared anonymous memory is an object.
    pub backing: Backing,
}

/// A search for a gap (`struct vm_unmapped_area_info`).
#[derive(Clone, Copy)]
struct Search {
    low: VirtAddr,
    high: VirtAddr,
    len: Bytes,
}

impl<S: VmaStore> Mm<S> {
    /// Chooses the address of a new mapping, or checks the one asked for with `MAP_FIXED`
    /// (`mm/mmap.c: __get_unmapped_area()`). What is mapped there does not matter with it.
    ///
    /// # Errors
    /// `ENOMEM` if there is no room below the end of user space, `EINVAL` for an unaligned fixed
    /// address, `EPERM` below `mmap_min_addr` without privilege.
    pub fn get_unmapped_area(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        let task_size = self.config.layout.task_size.get();
        let len = request.len.get();
        if len > task_size {
            return Err(Errno::ENOMEM);
        }
        let addr = self.choose_area(request)?;
        if addr.get() > task_size - len {
            return Err(Errno::ENOMEM);
        }
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let low = addr.get() < self.config.limits.mmap_min_addr.get();
        if low && !self.config.limits.privileged {
            return Err(Errno::EPERM);
        }
        Ok(addr)
    }

    /// The object's own method (`get_unmapped_area` in its file operations), else the mm's.
    fn choose_area(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        let shared = request.flags.contains(MapFlags::SHARED);
        let aligned = match request.backing.file().map(|file| file.kind) {
            // Disk file systems use thp_get_unmapped_area().
            Some(MappedKind::Regular) => self.huge_area(request),
            // shmem aligns only if huge pages are enabled for it; by default they are not.
            Some(
                MappedKind::Memfd | MappedKind::DevZero | MappedKind::Pfnmap | MappedKind::Mixedmap,
            ) => None,
            None if shared || request.addr != VirtAddr::ZERO => None,
            None if !request.len.get().is_multiple_of(PMD_SIZE) => None,
            None => self.huge_area(&AreaRequest {
                pgoff: PageOffset::new(0),
                ..*request
            }),
        };
        aligned.map_or_else(|| self.plain_area(request), Ok)
    }

    /// An address at which huge pages fit the object's offset (`mm/huge_memory.c:
    /// __thp_get_unmapped_area()`); none: the plain search is to decide.
    fn huge_area(&self, request: &AreaRequest) -> Option<VirtAddr> {
        let offset = request.pgoff.get().wrapping_mul(PAGE_SIZE);
        let offset_end = offset.checked_add(request.len.get())?;
        let first_huge = offset.checked_next_multiple_of(PMD_SIZE)?;
        if offset_end <= first_huge || offset_end - first_huge < PMD_SIZE {
            return None;
        }
        let padded = Bytes::new(request.len.get().checked_add(PMD_SIZE)?);
        offset.checked_add(padded.get())?;
        let found = self
            .plain_area(&AreaRequest {
                len: padded,
                ..*request
            })
            .ok()?;
        if found == request.addr {
            return Some(found);
        }
        let shift = offset.wrapping_sub(found.get()) % PMD_SIZE;
        let shift = if !self.config.layout.legacy && shift == 0 {
            PMD_SIZE
        } else {
            shift
        };
        Some(found + Bytes::new(shift))
    }

    /// The mm's search (`mm_get_unmapped_area_vmflags()`).
    fn plain_area(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        if self.config.layout.legacy {
            self.area_bottom_up(request)
        } else {
            self.area_top_down(request)
        }
    }

    fn area_top_down(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        self.check_area_len(request.len)?;
        if request.flags.contains(MapFlags::FIXED) {
            return Ok(request.addr);
        }
        if self.wants_low_32bit(request) {
            return self.area_bottom_up(request);
        }
        if let Some(addr) = self.usable_hint(request, self.user_space()) {
            return Ok(addr);
        }
        let above4g = self.config.arch == Arch::X86_64 && request.flags.contains(MapFlags::ABOVE4G);
        let search = Search {
            low: if above4g {
                ABOVE4G
            } else {
                VirtAddr::new(PAGE_SIZE)
            },
            high: self.config.layout.mmap_base,
            len: request.len,
        };
        match self.highest_area(search) {
            Some(addr) => Ok(addr),
            None => self.area_bottom_up(request),
        }
    }

    fn area_bottom_up(&self, request: &AreaRequest) -> Result<VirtAddr, Errno> {
        self.check_area_len(request.len)?;
        if request.flags.contains(MapFlags::FIXED) {
            return Ok(request.addr);
        }
        let (low, high) = if self.wants_low_32bit(request) {
            LOW_32BIT
        } else {
            (self.config.layout.unmapped_base, self.user_space())
        };
        if request.len.get() > high.get() {
            return Err(Errno::ENOMEM);
        }
        if let Some(addr) = self.usable_hint(request, high) {
            return Ok(addr);
        }
        let search = Search {
            low,
            high,
            len: request.len,
        };
        self.lowest_area(search).ok_or(Errno::ENOMEM)
    }

    fn user_space(&self) -> VirtAddr {
        self.config.layout.task_size
    }

    fn wants_low_32bit(&self, request: &AreaRequest) -> bool {
        self.config.arch == Arch::X86_64 && request.flags.contains(MapFlags::LOW_32BIT)
    }

    fn check_area_len(&self, len: Bytes) -> Result<(), Errno> {
        let room = match self.config.arch {
            Arch::X86_64 => self.config.layout.task_size.get(),
            Arch::Arm64 => self.config.layout.task_size.get() - self.config.lowest_address().get(),
        };
        if len.get() > room {
            Err(Errno::ENOMEM)
        } else {
            Ok(())
        }
    }

    /// The hint, if nothing is in its way. x86 looks only at the VMA above it; the generic code
    /// also keeps to `mmap_min_addr` (and, where stacks grow up, clear of the VMA below).
    fn usable_hint(&self, request: &AreaRequest, high: VirtAddr) -> Option<VirtAddr> {
        if request.addr == VirtAddr::ZERO {
            return None;
        }
        let addr = request.addr.page_up()?;
        let end = addr.checked_add(request.len)?;
        if end > high {
            return None;
        }
        let too_low = addr.get() < self.config.lowest_address().get();
        if self.config.arch == Arch::Arm64 && too_low {
            return None;
        }
        let next = self.find_vma(addr);
        let free = next.is_none_or(|id| end <= self.start_gap(id));
        free.then_some(addr)
    }

    /// The highest address with room (`mm/vma.c: unmapped_area_topdown()`).
    fn highest_area(&self, search: Search) -> Option<VirtAddr> {
        let low = search.low.max(self.lowest_mappable());
        let mut high = search.high;
        loop {
            let within = PageRange::try_new(low, high)?;
            let gap = self.store.highest_gap(within, search.len)?;
            match self.find_vma(gap.end()).map(|next| self.start_gap(next)) {
                Some(limit) if limit < gap.end() => high = limit,
                Some(_) | None => return Some(gap.end() - search.len),
            }
        }
    }

    /// The lowest address with room (`mm/vma.c: unmapped_area()`).
    fn lowest_area(&self, search: Search) -> Option<VirtAddr> {
        let mut low = search.low.max(self.lowest_mappable());
        loop {
            let within = PageRange::try_new(low, search.high)?;
            let gap = self.store.lowest_gap(within, search.len)?;
            let end = gap.start() + search.len;
            match self.find_vma(gap.end()) {
                Some(next) if self.start_gap(next) < end => low = self.vma(next).end(),
                Some(_) | None => return Some(gap.start()),
            }
        }
    }

    /// The start of a VMA with the gap below a stack (`include/linux/mm.h: vm_start_gap()`).
    pub(crate) fn start_gap(&self, id: VmaId) -> VirtAddr {
        let vma = self.vma(id);
        if vma.flags().contains(VmFlags::GROWSDOWN) {
            let gap = self.config.limits.stack_guard_gap.saturating_mul(PAGE_SIZE);
            VirtAddr::new(vma.start().get().saturating_sub(gap))
        } else {
            vma.start()
        }
    }

    fn lowest_mappable(&self) -> VirtAddr {
        let bytes = self.config.lowest_address().page_align();
        VirtAddr::new(bytes.get())
    }
}
