//! `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`.

use sim_core::store::VmaStore;
use sim_core::{Errno, SyscallRange, Uffd, UffdFeatures, UffdMode};
use sim_pagetable::Arch;

use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// The userfaultfd of an address space, opened on first use.
pub(crate) fn userfaultfd<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
) -> Uffd {
    let mut opened = space.pages.uffd.lock();
    Uffd {
        context: *opened.get_or_insert_with(|| shared.new_uffd_context()),
        wp_async: shared.uffd_features().contains(UffdFeatures::WP_ASYNC),
    }
}

/// `UFFDIO_REGISTER`.
///
/// # Errors
/// Those of the ioctl.
pub(crate) fn register<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    mode: UffdMode,
) -> Result<(), Errno> {
    let uffd = userfaultfd(shared, space);
    let mut pager = Pager::new(shared, &space.pages);
    let mut mm = space.write();
    mm.uffd_register(&mut pager, uffd, range, mode)
}

/// `UFFDIO_UNREGISTER`.
///
/// # Errors
/// Those of the ioctl.
pub(crate) fn unregister<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
) -> Result<(), Errno> {
    let uffd = userfaultfd(shared, space);
    let mut pager = Pager::new(shared, &space.pages);
    let mut mm = space.write();
    mm.uffd_unregister(&mut pager, uffd, range)
}
