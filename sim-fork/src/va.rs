//! Addresses of `sim-core` as addresses of `sim-pagetable`, and back.

use sim_core::{PageRange, VirtAddr, VmFlags};
use sim_pagetable::{Access, Arch, PageProt, Sharing, Va, VaRange};

/// The same address.
pub(crate) const fn va(addr: VirtAddr) -> Va {
    Va::new(addr.get())
}

/// The same address.
pub(crate) const fn addr(va: Va) -> VirtAddr {
    VirtAddr::new(va.get())
}

/// The same range.
pub(crate) fn va_range(range: PageRange) -> VaRange {
    VaRange::new(va(range.start()), va(range.end()))
}

/// The same range.
pub(crate) fn page_range(range: VaRange) -> PageRange {
    PageRange::new(addr(range.start()), addr(range.end()))
}

/// The protection of a VMA's entries (`vm_get_page_prot()`).
pub(crate) fn page_prot<A: Arch>(flags: VmFlags) -> PageProt {
    let access = Access {
        read: flags.contains(VmFlags::READ),
        write: flags.contains(VmFlags::WRITE),
        exec: flags.contains(VmFlags::EXEC),
    };
    let sharing = if flags.contains(VmFlags::SHARED) {
        Sharing::Shared
    } else {
        Sharing::Private
    };
    A::page_prot(access, sharing)
}
