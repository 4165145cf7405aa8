//! `UFFDIO_WRITEPROTECT` (`mm/userfaultfd.c: mwriteprotect_range()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{Errno, Outcome, SyscallRange, VmFlags};
use sim_pagetable::Arch;

use super::range::whole_pages;
use crate::pageops::UffdWp;
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// Protects or unprotects all VMAs of a range, up to the first that is not registered for that.
pub(crate) fn writeprotect<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    on: bool,
) -> Outcome {
    let change = if on { UffdWp::Protect } else { UffdWp::Resolve };
    protect(shared, space, range, change).into()
}

fn protect<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    change: UffdWp,
) -> Result<(), Errno> {
    let mm = space.read();
    let range = whole_pages(&mm, range)?;
    let pager = Pager::new(shared, &space.pages);
    let mut found = Err(Errno::ENOENT);
    for (_, vma) in mm.iter_in(range) {
        if vma.uffd().is_none() || !vma.flags().contains(VmFlags::UFFD_WP) {
            return Err(Errno::ENOENT);
        }
        let Some(part) = vma.range().intersect(range) else {
            continue;
        };
        pager
            .protect(vma, part, change)
            .map_err(|_| Errno::ENOMEM)?;
        found = Ok(());
    }
    found
}
