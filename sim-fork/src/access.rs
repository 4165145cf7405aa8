//! A program's own accesses: what the MMU does, and the page fault where it cannot
//! (`arch/x86/mm/fault.c: do_user_addr_fault()`, `mm/memory.c: lock_mm_and_find_vma()`, 6.19).

use sim_core::store::{VmaId, VmaStore};
use sim_core::{Access, Mm, Outcome, SyscallRange, VirtAddr, VmFlags};
use sim_pagetable::{Arch, Entry};

use crate::error::FaultError;
use crate::exit;
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::reclaim;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::va::va;

/// Touches every page of a range, ascending, up to the first signal. Where RAM is used up, reclaim
/// makes room, or the process is killed.
pub(crate) fn access<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
    access: Access,
) -> Outcome {
    let touched = touch(machine, &process.space, range, access);
    match touched {
        Ok(byte) => match access {
            Access::Read => Outcome::Value(u64::from(byte)),
            Access::Write(_) | Access::Exec => Outcome::OK,
        },
        Err(error) => {
            if error == FaultError::Oom {
                // The out-of-memory killer has nobody else to choose.
                exit::exit(machine, process);
            }
            error.outcome()
        }
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
    let mut mm = space.mm.read();
    let pager = Pager::new(shared, &space.pages);
    while first + *done <= last {
        let addr = VirtAddr::new((first + *done) << sim_core::PAGE_SHIFT);
        if let Some(got) = hardware_access(&pager, addr, access) {
            byte = got;
            *done += 1;
            continue;
        }
        match find_vma(&pager, &mm, addr, access)? {
            Found::Vma(id) => {
                let written = match access {
                    Access::Write(value) => {
                        let most = last - first - *done + 1;
                        pager.write_run(mm.vma(id), addr, most, value)
                    }
                    Access::Read | Access::Exec => 0,
                };
                *done += written;
                if written == 0 {
                    fault(&pager, &mm, id, addr, access)?;
                }
            }
            Found::Below(id) => {
                drop(mm);
                grow(shared, space, id, addr)?;
                mm = space.mm.read();
            }
        }
    }
    Ok(byte)
}

/// What the MMU does with a translation: the first byte, or `None` for a page fault.
pub(crate) fn hardware_access<A: Arch>(
    pager: &Pager<'_, A>,
    addr: VirtAddr,
    access: Access,
) -> Option<u8> {
    let pfn = pager.translate(va(addr), |entry| {
        let allowed = match access {
            Access::Read => true,
            Access::Write(_) => entry.is_writable(),
            Access::Exec => A::is_executable(entry.raw()),
        };
        if !allowed || entry.is_prot_none() {
            return None;
        }
        Some(match access {
            Access::Read | Access::Exec => entry.mk_young(),
            Access::Write(_) => written(entry),
        })
    })?;
    if let Access::Write(Some(value)) = access {
        pager.store(pfn, value);
    }
    Some(pager.content(pfn) as u8)
}

/// The entry after the hardware noted a write: soft-dirty is not its business.
pub(crate) fn written<A: Arch>(entry: Entry<A>) -> Entry<A> {
    let soft_dirty = entry.is_soft_dirty();
    entry.mk_young().mk_dirty().with_soft_dirty(soft_dirty)
}

/// Where a faulting address belongs.
enum Found {
    /// In this VMA, which allows the access.
    Vma(VmaId),
    /// Below this VMA, which grows down.
    Below(VmaId),
}

fn find_vma<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &Mm<S>,
    addr: VirtAddr,
    access: Access,
) -> Result<Found, FaultError> {
    let id = mm.find_vma(addr).ok_or(FaultError::Maperr)?;
    let vma = mm.vma(id);
    let flags = vma.flags();
    if addr < vma.start() {
        let grows = flags.contains(VmFlags::GROWSDOWN);
        return if grows {
            Ok(Found::Below(id))
        } else {
            Err(FaultError::Maperr)
        };
    }
    let allowed = match access {
        // The MMUs cannot tell read from execute or write-only from both.
        Access::Read => flags.is_accessible(),
        Access::Write(_) => flags.contains(VmFlags::WRITE),
        Access::Exec => may_fetch(pager, mm, id, addr),
    };
    if allowed {
        Ok(Found::Vma(id))
    } else {
        Err(FaultError::Accerr)
    }
}

/// Whether a fetch that faulted is handled. x86 tells a fetch from a read only where a translation
/// forbids it: on an empty entry of a readable VMA the page is brought in, and the fetch faults
/// again (`arch/x86/mm/fault.c: access_error()`). Arm knows at once
/// (`arch/arm64/mm/fault.c: do_page_fault()`).
fn may_fetch<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &Mm<S>,
    id: VmaId,
    addr: VirtAddr,
) -> bool {
    let flags = mm.vma(id).flags();
    let as_read = match mm.config().arch {
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
    let mut mm = space.mm.write();
    if mm.find_vma(addr) != Some(id) || mm.vma(id).start() <= addr {
        // Another thread was faster; look again.
        return Ok(());
    }
    let mut pager = Pager::new(shared, &space.pages);
    mm.expand_downwards(&mut pager, id, addr)
        .map_err(|_| FaultError::Maperr)
}

fn fault<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &Mm<S>,
    id: VmaId,
    addr: VirtAddr,
    access: Access,
) -> Result<(), FaultError> {
    let kind = match access {
        Access::Read | Access::Exec => FaultKind::Read,
        Access::Write(_) => FaultKind::Write,
    };
    let fault = Fault {
        vma: mm.vma(id),
        addr,
        kind,
        prepare: &|| mm.anon_vma_prepare(id),
    };
    match pager.handle_fault(&fault) {
        // An injected failure strikes once: the instruction runs again and faults again.
        Err(FaultError::Oom) if pager.shared.take_injected() => Ok(()),
        result => result,
    }
}
