//! A program's own accesses: what the MMU does, and the page fault where it cannot
//! (`arch/x86/mm/fault.c: do_user_addr_fault()`, `mm/memory.c: lock_mm_and_find_vma()`, 6.19).

use std::cell::Cell;

use sim_core::store::{NoMemory, VmaId, VmaStore};
use sim_core::{
    Access, Mm, Outcome, PMD_SIZE, PrepareAnonVma, SyscallRange, VirtAddr, VmFlags, Vma, VmaGuard,
};
use sim_pagetable::{Arch, Entry};
use sim_sync::MmapRead;

use crate::error::FaultError;
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::reclaim;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::va::va;

/// Touches every page of a range, ascending, up to the first signal. Where RAM is used up, reclaim
/// makes room, or the outcome is that the process is killed, which is the caller's to do.
pub(crate) fn access<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
    access: Access,
) -> Outcome {
    match touch(machine, &process.space, range, access) {
        Ok(byte) => match access {
            Access::Read => Outcome::Value(u64::from(byte)),
            Access::Write(_) | Access::Exec => Outcome::OK,
        },
        Err(error) => error.outcome(),
    }
}

/// Touches every page of a range, ascending; the first byte of the last one.
///
/// # Errors
/// Why the first page that could not be accessed could not.
pub(crate) fn touch<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    access: Access,
) -> Result<u8, FaultError> {
    let shared = machine.shared();
    let mut done = 0;
    loop {
        let touched = touch_range(shared, space, range, access, &mut done);
        let short = touched == Err(FaultError::Oom) && !shared.injected();
        if !short || !reclaim::for_allocation(machine) {
            return touched;
        }
    }
}

/// `done` pages were touched before; it is kept up to date. Of writes the byte means nothing.
fn touch_range<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: SyscallRange,
    access: Access,
    done: &mut u64,
) -> Result<u8, FaultError> {
    let mut byte = 0;
    if range.len.get() == 0 {
        return Ok(byte);
    }
    let first = range.addr.page_number();
    let last = range.addr.get().saturating_add(range.len.get() - 1) >> sim_core::PAGE_SHIFT;
    let pager = Pager::new(shared, &space.pages);
    let mut held = None;
    while first + *done <= last {
        let addr = VirtAddr::new((first + *done) << sim_core::PAGE_SHIFT);
        // The MMU walks tables that another thread may be freeing; what protects it on a real
        // machine (interrupts that free nothing before all CPUs have answered) is the lock here.
        if !shared.is_concurrent()
            && let Some(got) = hardware_access(&pager, addr, access)
        {
            byte = got;
            *done += 1;
            continue;
        }
        let lock = Held::for_fault(held.take(), space, addr);
        let most = last - first - *done + 1;
        let faulted = lock.fault(&pager, (addr, most), access)?;
        held = Some(lock);
        match faulted {
            Faulted::Written(pages) => *done += pages,
            Faulted::Accessed(got) => {
                byte = got;
                *done += 1;
            }
            Faulted::TryAgain => {}
            Faulted::NeedsMmapLock => {
                // Not within the VMA's lock.
                drop(held.take());
                held = Some(Held::Mmap(space.read()));
            }
            Faulted::Below(id) => {
                drop(held.take());
                grow(shared, space, id, addr)?;
            }
        }
    }
    Ok(byte)
}

/// The lock that faults are handled under, kept from one fault of an access to the next.
enum Held<'a, S: VmaStore> {
    /// The VMA's, which is enough for most faults.
    Vma(VmaGuard<'a>),
    /// mmap_lock, for reading.
    Mmap(MmapRead<'a, Mm<S>>),
}

/// What became of a fault.
enum Faulted {
    /// So many pages were written on the way.
    Written(u64),
    /// There is a translation: it was no fault. The first byte of the page.
    Accessed(u8),
    /// The access is tried again.
    TryAgain,
    /// The VMA's lock was not enough.
    NeedsMmapLock,
    /// The address is below this VMA, which grows down.
    Below(VmaId),
}

impl<'a, S: VmaStore> Held<'a, S> {
    /// The lock for a fault at `addr`: that of the last one if it will do, else the VMA's if it can
    /// be had.
    fn for_fault<A: Arch>(
        held: Option<Self>,
        space: &'a AddressSpace<A, S>,
        addr: VirtAddr,
    ) -> Self {
        match held {
            Some(Self::Vma(vma)) if vma.range().contains(addr) && !is_block_start(addr) => {
                return Self::Vma(vma);
            }
            Some(Self::Mmap(mm)) => return Self::Mmap(mm),
            // Not within another VMA's lock.
            Some(Self::Vma(_)) | None => drop(held),
        }
        match space.lock_vma(addr) {
            Some(vma) => Self::Vma(vma),
            None => Self::Mmap(space.read()),
        }
    }

    /// Handles a fault at `addr`, the first of `most` pages that are accessed.
    fn fault<A: Arch>(
        &self,
        pager: &Pager<'_, A>,
        (addr, most): (VirtAddr, u64),
        access: Access,
    ) -> Result<Faulted, FaultError> {
        match self {
            Self::Vma(vma) => {
                let needs_mmap_lock = Cell::new(false);
                // An anon_vma may come from a neighbour, which this lock says nothing about.
                let prepare = || {
                    if vma.anon_vma().is_some() {
                        return Ok(());
                    }
                    needs_mmap_lock.set(true);
                    Err(NoMemory)
                };
                let result = fault(pager, vma, (addr, most), access, &prepare);
                if needs_mmap_lock.get() {
                    return Ok(Faulted::NeedsMmapLock);
                }
                result
            }
            Self::Mmap(mm) => {
                let id = mm.find_vma(addr).ok_or(FaultError::Maperr)?;
                let vma = mm.vma(id);
                if addr < vma.start() {
                    let grows = vma.flags().contains(VmFlags::GROWSDOWN);
                    return grows
                        .then_some(Faulted::Below(id))
                        .ok_or(FaultError::Maperr);
                }
                let prepare = || mm.anon_vma_prepare(id);
                fault(pager, vma, (addr, most), access, &prepare)
            }
        }
    }
}

/// Locks are let go at each block, so that a long access does not keep writers out.
const fn is_block_start(addr: VirtAddr) -> bool {
    addr.get().is_multiple_of(PMD_SIZE)
}

/// What the MMU does with a translation: the first byte, or `None` for a page fault.
pub(crate) fn hardware_access<A: Arch>(
    pager: &Pager<'_, A>,
    addr: VirtAddr,
    access: Access,
) -> Option<u8> {
    let pfn = pager.translate(va(addr), |entry| accessed(pager, entry, access))?;
    if let Access::Write(Some(value)) = access {
        pager.store(pfn, value);
    }
    Some(pager.content(pfn) as u8)
}

/// The entry after an access through it; `None` if it does not allow it, or the MMU cannot note it
/// itself.
pub(crate) fn accessed<A: Arch>(
    pager: &Pager<'_, A>,
    entry: Entry<A>,
    access: Access,
) -> Option<Entry<A>> {
    let allowed = match access {
        Access::Read => true,
        Access::Write(_) => entry.is_writable(),
        Access::Exec => A::is_executable(entry.raw()),
    };
    if !allowed || entry.is_prot_none() {
        return None;
    }
    let writes = matches!(access, Access::Write(_));
    if A::SOFTWARE_AD {
        let mmu = pager.shared.setup.mmu;
        let unnoted = writes && !A::is_write_noted(entry.raw());
        if (!entry.is_young() && !mmu.hw_access_flag) || (unnoted && !mmu.hw_dirty) {
            return None;
        }
    }
    let young = entry.mk_young();
    Some(if writes {
        Entry::from_raw(A::hw_write(young.raw()))
    } else {
        young
    })
}

/// Does the VMA allow the access (`arch/x86/mm/fault.c: access_error()`)?
fn check_access<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    addr: VirtAddr,
    access: Access,
) -> Result<(), FaultError> {
    let flags = vma.flags();
    let allowed = match access {
        // The MMUs cannot tell read from execute or write-only from both.
        Access::Read => flags.is_accessible(),
        Access::Write(_) => flags.contains(VmFlags::WRITE),
        Access::Exec => may_fetch(pager, flags, addr),
    };
    if allowed {
        Ok(())
    } else {
        Err(FaultError::Accerr)
    }
}

/// Whether a fetch that faulted is handled. x86 tells a fetch from a read only where a translation
/// forbids it: on an empty entry of a readable VMA the page is brought in, and the fetch faults
/// again (`arch/x86/mm/fault.c: access_error()`). Arm knows at once
/// (`arch/arm64/mm/fault.c: do_page_fault()`).
fn may_fetch<A: Arch>(pager: &Pager<'_, A>, flags: VmFlags, addr: VirtAddr) -> bool {
    let as_read = match pager.shared.config.arch {
        sim_core::Arch::X86_64 => flags.is_accessible() && !is_valid(pager, addr),
        sim_core::Arch::Arm64 => false,
    };
    flags.contains(VmFlags::EXEC) || as_read
}

/// Does the hardware have a translation there, whatever it allows?
fn is_valid<A: Arch>(pager: &Pager<'_, A>, addr: VirtAddr) -> bool {
    let mut valid = false;
    pager.translate(va(addr), |entry| {
        valid = A::is_valid(entry.raw());
        None
    });
    valid
}

fn grow<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    id: VmaId,
    addr: VirtAddr,
) -> Result<(), FaultError> {
    let mut mm = space.write();
    if mm.find_vma(addr) != Some(id) || mm.vma(id).start() <= addr {
        // Another thread was faster; look again.
        return Ok(());
    }
    let mut pager = Pager::new(shared, &space.pages);
    mm.expand_downwards(&mut pager, id, addr)
        .map_err(|_| FaultError::Maperr)
}

/// Handles the fault, or at once all that the access writes in the same table.
fn fault<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    (addr, most): (VirtAddr, u64),
    access: Access,
    prepare: PrepareAnonVma<'_>,
) -> Result<Faulted, FaultError> {
    check_access(pager, vma, addr, access)?;
    let kind = match access {
        Access::Read | Access::Exec => FaultKind::Read,
        Access::Write(value) => {
            let written = pager.write_run(vma, addr, most, value);
            if written > 0 {
                return Ok(Faulted::Written(written));
            }
            FaultKind::Write
        }
    };
    if pager.shared.is_concurrent()
        && let Some(byte) = hardware_access(pager, addr, access)
    {
        return Ok(Faulted::Accessed(byte));
    }
    let fault = Fault {
        vma,
        addr,
        kind,
        prepare,
    };
    match pager.handle_fault(&fault) {
        Ok(()) => Ok(Faulted::TryAgain),
        // An injected failure strikes once: the instruction runs again and faults again.
        Err(FaultError::Oom) if pager.shared.take_injected() => Ok(Faulted::TryAgain),
        Err(error) => Err(error),
    }
}
