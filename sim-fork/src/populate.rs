//! Faulting pages in on the kernel's account (`mm/gup.c: populate_vma_page_range()`,
//! `__mm_populate()`, `faultin_page_range()`, 6.19).

use std::collections::BTreeSet;

use sim_core::store::{NoMemory, VmaStore};
use sim_core::{Errno, Mapped, Outcome, PMD_SIZE, PageRange, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Pfn};

use crate::error::{FaultError, PopulateError};
use crate::fault::{Fault, FaultKind};
use crate::file::CachedPage;
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

/// Pages after a fault that fault-around maps at most.
const AROUND: u64 = 16;

/// What a populate of locked memory knows of pages that are on their way to the unevictable ones.
#[derive(Default)]
pub(crate) struct Fresh {
    /// Pages that were not there before the last fault.
    absent: Vec<VirtAddr>,
    /// Pages of the file that were locked before.
    settled: BTreeSet<Pfn>,
}

impl Fresh {
    /// Before a part of a VMA is populated.
    pub(crate) fn of<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, range: PageRange) -> Self {
        let object = vma.file().filter(|_| vma.flags().contains(VmFlags::LOCKED));
        let Some(object) = object.and_then(|file| pager.shared.files.get(file.id)) else {
            return Self::default();
        };
        let (first, end) = (vma.pgoff_of(range.start()), vma.pgoff_of(range.end()));
        let locked = |page| match page {
            CachedPage::Present(pfn) => {
                let flags = folio::flags_of(pager.frames(), pfn);
                flags.contains(FrameFlags::MLOCKED).then_some(pfn)
            }
            CachedPage::Swapped(_) | CachedPage::OnDisk(_) => None,
        };
        let state = object.lock();
        let pages = state.pages_from(first.get());
        let pages = pages.take_while(|(index, _)| *index < end.get());
        Self {
            absent: Vec::new(),
            settled: pages.filter_map(|(_, page)| locked(page)).collect(),
        }
    }

    /// Is a page that a fault brought on its way, but not there yet?
    fn is_unsettled(&self, fault: &Fault<'_>, (before, now): (Option<Pfn>, Option<Pfn>)) -> bool {
        fault.vma.flags().contains(VmFlags::LOCKED)
            && (before != now || self.absent.contains(&fault.addr))
            && !now.is_some_and(|pfn| self.settled.contains(&pfn))
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
    let mm = space.mm.read();
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
        let mut addr = range.start();
        let mut fresh = Fresh::of(self, vma, range);
        while addr < range.end() {
            let fault = Fault {
                vma,
                addr,
                kind,
                prepare,
            };
            addr = self
                .fault_in(&fault, &mut fresh)
                .map_err(|error| match error {
                    // Without FOLL_HWPOISON a poisoned page is a bad address like others.
                    FaultError::Poison => Errno::EFAULT.into(),
                    other => other.gup(),
                })?;
        }
        Ok(())
    }

    /// Faults until the page is there and touches it; the address to go on from
    /// (`mm/gup.c: __get_user_pages()` with `FOLL_TOUCH`).
    pub(crate) fn fault_in(
        &self,
        fault: &Fault<'_>,
        fresh: &mut Fresh,
    ) -> Result<VirtAddr, FaultError> {
        let before = self.page_at(fault.addr);
        loop {
            match self.seen(va(fault.addr)) {
                Seen::Pte(entry) if follows(fault, entry) => {
                    // Only a locked VMA makes pages unevictable, and not at once.
                    let now = self.page_at(fault.addr);
                    let unsettled = fresh.is_unsettled(fault, (before, now));
                    self.touch(fault, entry, unsettled);
                    return Ok(fault.addr.add_pages(1));
                }
                Seen::Huge(entry) if follows(fault, entry) => {
                    self.touch_huge(fault);
                    let next = fault.addr.pmd_down().get().saturating_add(PMD_SIZE);
                    return Ok(VirtAddr::new(next));
                }
                Seen::Pte(_) | Seen::Huge(_) | Seen::Absent => {}
            }
            self.note_absent(fault, fresh);
            self.handle_fault(fault)?;
        }
    }

    /// The page that a PTE maps.
    fn page_at(&self, addr: VirtAddr) -> Option<Pfn> {
        match self.seen(va(addr)) {
            Seen::Pte(entry) if entry.is_present() => Self::normal_page(entry),
            Seen::Pte(_) | Seen::Huge(_) | Seen::Absent => None,
        }
    }

    /// Remembers which pages fault-around may be about to map.
    fn note_absent(&self, fault: &Fault<'_>, fresh: &mut Fresh) {
        fresh.absent.clear();
        if fault.vma.is_anon() || !fault.vma.flags().contains(VmFlags::LOCKED) {
            return;
        }
        let end = fault.addr.add_pages(AROUND).min(fault.vma.end());
        let after = PageRange::new(fault.addr, end);
        let absent = after.iter_pages().filter(|&at| self.page_at(at).is_none());
        fresh.absent.extend(absent);
    }

    fn touch(&self, fault: &Fault<'_>, entry: Entry<A>, unsettled: bool) {
        let Some(pfn) = Self::normal_page(entry) else {
            return;
        };
        if fault.is_write() && !entry.is_dirty() {
            folio::mark_dirty(self.frames(), pfn);
        }
        if unsettled {
            folio::mark_accessed_unsettled(self.frames(), pfn);
        } else {
            folio::mark_accessed(self.frames(), pfn);
        }
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
