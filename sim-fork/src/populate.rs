//! Faulting pages in on the kernel's account (`mm/gup.c: populate_vma_page_range()`,
//! `__mm_populate()`, `faultin_page_range()`, 6.19).

use sim_core::store::{NoMemory, VmaStore};
use sim_core::{Errno, Mapped, Outcome, PMD_SIZE, PageRange, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, Pfn};

use crate::error::{FaultError, PopulateError};
use crate::fault::{Fault, FaultKind};
use crate::folio;
use crate::pager::{Pager, Seen};
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::va::va;

/// The outcome of a mapping call, once what it asks for is populated; errors of that are ignored.
pub(crate) fn finish<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    mapped: Mapped,
) -> Outcome {
    let populated = match mapped.populate {
        Some(range) => populate(shared, space, range, OnError::Ignore),
        None => Ok(()),
    };
    match populated {
        Err(PopulateError::UffdWait) => Outcome::UffdWait,
        Ok(()) | Err(PopulateError::Errno(_)) => Outcome::Value(mapped.addr.get()),
    }
}

/// What a populate does about a VMA that cannot be populated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum OnError {
    /// It goes on with the next VMA.
    Ignore,
    /// It stops.
    Stop,
}

/// Populates what is mapped in a range as its VMAs want it (`mm/gup.c: __mm_populate()`).
///
/// # Errors
/// The first VMA's that failed, if errors are not ignored. Waiting never is.
pub(crate) fn populate<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    range: PageRange,
    on_error: OnError,
) -> Result<(), PopulateError> {
    let mm = space.read();
    let pager = Pager::new(shared, &space.pages);
    for (id, vma) in mm.iter_in(range) {
        let raw = VmFlags::IO | VmFlags::PFNMAP;
        let Some(part) = vma.range().intersect(range) else {
            continue;
        };
        if vma.flags().intersects(raw) {
            continue;
        }
        let done = pager.populate_part(vma, part, &|| mm.anon_vma_prepare(id));
        match done {
            Err(PopulateError::Errno(_)) if on_error == OnError::Ignore => {}
            Ok(()) | Err(_) => done?,
        }
    }
    Ok(())
}

impl<A: Arch> Pager<'_, A> {
    /// Populates a part of a VMA: with write faults if writes make private copies.
    ///
    /// # Errors
    /// Why the first page that failed did.
    pub(crate) fn populate_part(
        &self,
        vma: &Vma,
        range: PageRange,
        prepare: &dyn Fn() -> Result<(), NoMemory>,
    ) -> Result<(), PopulateError> {
        let flags = vma.flags();
        if flags.contains(VmFlags::LOCKONFAULT) {
            return Ok(());
        }
        if !flags.is_accessible() {
            return Err(Errno::EFAULT.into());
        }
        let private_write = flags & (VmFlags::WRITE | VmFlags::SHARED) == VmFlags::WRITE;
        let kind = if private_write {
            FaultKind::Write
        } else {
            FaultKind::Read
        };
        let done = self.fault_range(vma, range, kind, prepare);
        self.shared.drain_lru();
        done.map_err(|error| match error {
            // Without FOLL_HWPOISON a poisoned page is a bad address like others.
            FaultError::Poison => Errno::EFAULT.into(),
            other => other.gup(),
        })
    }

    /// Faults every page of a part of a VMA in.
    ///
    /// # Errors
    /// The first page's that could not be.
    pub(crate) fn fault_range(
        &self,
        vma: &Vma,
        range: PageRange,
        kind: FaultKind,
        prepare: &dyn Fn() -> Result<(), NoMemory>,
    ) -> Result<(), FaultError> {
        let mut addr = range.start();
        while addr < range.end() {
            addr = self.fault_in(&Fault {
                vma,
                addr,
                kind,
                prepare,
            })?;
        }
        Ok(())
    }

    /// Faults until the page is there and touches it; the address to go on from
    /// (`mm/gup.c: __get_user_pages()` with `FOLL_TOUCH`).
    fn fault_in(&self, fault: &Fault<'_>) -> Result<VirtAddr, FaultError> {
        loop {
            match self.seen(va(fault.addr)) {
                Seen::Pte(entry) if follows(fault, entry) => {
                    self.touch(fault, entry);
                    return Ok(fault.addr.add_pages(1));
                }
                Seen::Huge(entry) if follows(fault, entry) => {
                    self.touch_huge(fault);
                    let next = fault.addr.pmd_down().get().saturating_add(PMD_SIZE);
                    return Ok(VirtAddr::new(next));
                }
                Seen::Pte(_) | Seen::Huge(_) | Seen::Absent => {}
            }
            self.handle_fault(fault)?;
        }
    }

    fn touch(&self, fault: &Fault<'_>, entry: Entry<A>) {
        let Some(pfn) = Self::normal_page(entry) else {
            return;
        };
        if fault.is_write() && !entry.is_dirty() {
            folio::mark_dirty(self.frames(), pfn);
        }
        folio::mark_accessed(self.shared, pfn);
    }

    /// A huge entry is marked itself, not its folio (`mm/huge_memory.c: touch_pmd()`).
    /// On x86 only a write changes it (`pmdp_set_access_flags()`).
    fn touch_huge(&self, fault: &Fault<'_>) {
        if !fault.is_write() && !A::BREAK_BEFORE_MAKE {
            return;
        }
        let _: Option<Pfn> = self.translate(va(fault.addr), |entry| {
            let young = entry.mk_young();
            Some(if fault.is_write() {
                young.mk_dirty()
            } else {
                young
            })
        });
    }
}

/// Does the entry give what the fault wants (`mm/gup.c: follow_page_pte()`)?
fn follows<A: Arch>(fault: &Fault<'_>, entry: Entry<A>) -> bool {
    entry.is_present() && (!fault.is_write() || entry.is_writable())
}
