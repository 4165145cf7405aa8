//! `UFFDIO_COPY`: pages with contents, and `UFFDIO_CONTINUE`: pages that the object has
//! (`mm/userfaultfd.c: mfill_atomic_pte_copy()`, `mfill_atomic_pte_continue()`,
//! `mfill_atomic_install_pte()`, `mm/shmem.c: shmem_mfill_atomic_pte()`, 6.18).

use sim_core::store::VmaStore;
use sim_core::{Access, Bytes, Errno, PAGE_SIZE, SyscallRange, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, Marker, Pfn};

use super::fill::{Target, beyond_object, table_of};
use super::range::Stop;
use crate::access;
use crate::error::FaultError;
use crate::fault::load_page;
use crate::file::{CachedPage, Lookup};
use crate::folio::{NEW_SHMEM, new_anon};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::va::va;

/// A page for a VMA: of its object if that is shared, else anonymous, also over an object.
pub(super) fn new_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma) -> Result<Pfn, Stop> {
    let flags = if vma.flags().contains(VmFlags::SHARED) {
        NEW_SHMEM
    } else {
        new_anon(vma)
    };
    Ok(pager.frames().alloc(flags)?)
}

/// The page of bytes at an address.
const fn page_at(from: VirtAddr) -> SyscallRange {
    SyscallRange::new(from, Bytes::new(PAGE_SIZE))
}

/// Reads a page of the program's memory without faulting (`pagefault_disable()`); `None` if that
/// cannot be. DEVIATION: of a source that is not aligned, the first byte is taken to be the first
/// one of its page.
pub(super) fn read_now<A: Arch>(pager: &Pager<'_, A>, from: VirtAddr) -> Option<u8> {
    if pager.shared.is_concurrent() {
        // Without its VMA's lock, the page's tables may be freed meanwhile.
        return None;
    }
    let byte = access::hardware_access(pager, from.page_down(), Access::Read)?;
    if !from.is_page_aligned() {
        access::hardware_access(pager, from.page_down().add_pages(1), Access::Read)?;
    }
    Some(byte)
}

/// Reads a page of the program's memory as the program would (`copy_from_user()`).
///
/// # Errors
/// `EFAULT` if it cannot be read.
pub(super) fn read_with_faults<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    from: VirtAddr,
) -> Result<u8, Stop> {
    let space = &*process.space;
    let touch = |range| {
        access::touch(machine, space, range, Access::Read).map_err(|error| match error {
            FaultError::UffdWait => Stop::UffdWait,
            FaultError::Maperr
            | FaultError::Accerr
            | FaultError::Bus
            | FaultError::Poison
            | FaultError::Oom => Errno::EFAULT.into(),
        })
    };
    let byte = touch(page_at(from.page_down()))?;
    if !from.is_page_aligned() {
        touch(page_at(from.page_down().add_pages(1)))?;
    }
    Ok(byte)
}

/// Maps a filled page. It is the caller's no more, whatever happens.
///
/// # Errors
/// `EFAULT` beyond the end of the object, `EEXIST` if there is a page already, mapped or in the
/// object.
pub(super) fn install<A: Arch>(
    pager: &Pager<'_, A>,
    target: &Target<'_>,
    pfn: Pfn,
) -> Result<(), Stop> {
    let done = if target.vma.flags().contains(VmFlags::SHARED) {
        install_in_object(pager, target, pfn)
    } else {
        map(pager, target, (pfn, Owner::Private))
    };
    if done.is_err() {
        pager.frames().put(pfn);
    }
    done
}

/// Maps a page that the object has.
///
/// # Errors
/// `EFAULT` if it has none, `EINVAL` beyond its end, `EEXIST` if there is something already.
pub(super) fn resume<A: Arch>(pager: &Pager<'_, A>, target: &Target<'_>) -> Result<(), Stop> {
    let file = target.vma.file().ok_or(Errno::EINVAL)?;
    let object = pager.shared.files.get(file.id).ok_or(Errno::EFAULT)?;
    let index = target.vma.pgoff_of(target.addr).get();
    let looked_up = object.lock().lookup(index);
    if looked_up == Lookup::Beyond {
        return Err(Errno::EINVAL.into());
    }
    if looked_up == Lookup::Hole {
        return Err(Errno::EFAULT.into());
    }
    let pfn = load_page(pager, &object, index).map_err(|error| match error {
        FaultError::Oom => Stop::NoMemory,
        FaultError::Maperr
        | FaultError::Accerr
        | FaultError::Bus
        | FaultError::Poison
        | FaultError::UffdWait => Errno::EFAULT.into(),
    })?;
    pager.frames().get(pfn);
    map(pager, target, (pfn, Owner::Object)).inspect_err(|_| {
        pager.frames().put(pfn);
    })
}

/// The object gets the page, and with it the caller's reference.
fn install_in_object<A: Arch>(
    pager: &Pager<'_, A>,
    target: &Target<'_>,
    pfn: Pfn,
) -> Result<(), Stop> {
    let file = target.vma.file().ok_or(Errno::EINVAL)?;
    let object = pager.shared.files.get(file.id).ok_or(Errno::EFAULT)?;
    let index = target.vma.pgoff_of(target.addr).get();
    let mut state = object.lock();
    let looked_up = state.lookup(index);
    if looked_up == Lookup::Beyond {
        return Err(Errno::EFAULT.into());
    }
    if looked_up != Lookup::Hole {
        return Err(Errno::EEXIST.into());
    }
    let before = state.set(index, CachedPage::Present(pfn));
    drop(state);
    pager.frames().get(pfn);
    map(pager, target, (pfn, Owner::New)).inspect_err(|_| {
        let mut state = object.lock();
        match before {
            Some(page) => state.set(index, page),
            None => state.take(index),
        };
        pager.frames().put(pfn);
    })
}

/// Whose a page is that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// The process's: a new anonymous page.
    Private,
    /// The object's, which has just got it.
    New,
    /// The object's.
    Object,
}

/// The entry takes over a reference.
fn map<A: Arch>(
    pager: &Pager<'_, A>,
    target: &Target<'_>,
    (pfn, owner): (Pfn, Owner),
) -> Result<(), Stop> {
    if beyond_object(pager, target) {
        return Err(Errno::EFAULT.into());
    }
    let table = table_of(pager, target.addr)?;
    if !replaceable(pager, table.get(va(target.addr))) {
        return Err(Errno::EEXIST.into());
    }
    let flags = target.vma.flags();
    let mut entry = Entry::page(pfn, pager.page_prot(target.vma)).mk_dirty();
    let copies_first = owner != Owner::Private && !flags.contains(VmFlags::SHARED);
    if flags.contains(VmFlags::WRITE) && !copies_first {
        entry = entry.mk_write();
    }
    if target.wp {
        entry = entry.with_uffd_wp(true);
    }
    match owner {
        Owner::Private => pager.account_new(target.vma, pfn),
        Owner::Object => pager.account_map(target.vma, pfn),
        Owner::New => {
            pager.account_map(target.vma, pfn);
            pager.shared.lru.add(pager.frames(), pfn);
        }
    }
    table.set(va(target.addr), entry);
    Ok(())
}

/// May a page be put there? Markers do not count, but for guards on newer kernels.
fn replaceable<A: Arch>(pager: &Pager<'_, A>, entry: Entry<A>) -> bool {
    let keeps_guard = pager.shared.features().uffd_copy_keeps_guard;
    match entry.as_marker() {
        Some(marker) => !(keeps_guard && marker.contains(Marker::GUARD)),
        None => entry.is_none(),
    }
}
