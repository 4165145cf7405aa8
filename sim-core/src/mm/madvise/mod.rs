//! The VMA half of `madvise`: which advice is what, what each VMA admits, and the flags.
//!
//! | [`AdviceClass`] | lock | who acts |
//! | --- | --- | --- |
//! | `Flags` | mmap_lock for writing | [`Mm::madvise_flags`] |
//! | `Pages` | a read lock | the machine, called by [`Mm::madvise_pages`] for each part |
//! | `Populate` | a read lock | the machine, page by page ([`Mm::check_populate`]) |
//!
//! Follows mm/madvise.c, mm/ksm.c: `ksm_madvise()`, mm/khugepaged.c: `hugepage_madvise()`, 6.18.

mod admit;

pub use admit::{admit_page_advice, advised_flags};

use super::mseal::checked_range;
use crate::store::{VmaId, VmaStore};
use crate::{Advice, Errno, Mm, PageOps, PageRange, SyscallRange, VmFlags, Vma};

/// Who carries out an advice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AdviceClass {
    /// It changes flags of VMAs.
    Flags,
    /// It acts on the pages of each VMA.
    Pages,
    /// It faults pages in.
    Populate,
}

/// What an advice is.
///
/// # Errors
/// `EINVAL` for a number that is none; so are `HWPOISON` and `SOFT_OFFLINE`, which vmsim does not
/// model (nor does a kernel without `CONFIG_MEMORY_FAILURE`).
pub const fn classify_advice(advice: Advice) -> Result<AdviceClass, Errno> {
    Ok(match advice {
        Advice::Normal
        | Advice::Random
        | Advice::Sequential
        | Advice::Dontfork
        | Advice::Dofork
        | Advice::Mergeable
        | Advice::Unmergeable
        | Advice::Hugepage
        | Advice::Nohugepage
        | Advice::Dontdump
        | Advice::Dodump
        | Advice::Wipeonfork
        | Advice::Keeponfork => AdviceClass::Flags,
        Advice::Willneed
        | Advice::Dontneed
        | Advice::Free
        | Advice::Remove
        | Advice::Cold
        | Advice::Pageout
        | Advice::DontneedLocked
        | Advice::Collapse
        | Advice::GuardInstall
        | Advice::GuardRemove => AdviceClass::Pages,
        Advice::PopulateRead | Advice::PopulateWrite => AdviceClass::Populate,
        Advice::Hwpoison | Advice::SoftOffline | Advice::Other(_) => return Err(Errno::EINVAL),
    })
}

/// Checks what can be checked without VMAs. The pages meant, or `None` if there are none.
///
/// # Errors
/// `EINVAL` for an unknown advice (first of all, also for length 0), an unaligned address, or a
/// length or end that overflows.
pub fn check_madvise(
    range: SyscallRange,
    advice: Advice,
) -> Result<Option<(PageRange, AdviceClass)>, Errno> {
    let class = classify_advice(advice)?;
    Ok(checked_range(range)?.map(|range| (range, class)))
}

/// Memory that runs short inside a flag change is `EAGAIN`.
pub(crate) const fn memory_is_short(errno: Errno) -> Errno {
    match errno {
        Errno::ENOMEM => Errno::EAGAIN,
        other => other,
    }
}

impl<S: VmaStore> Mm<S> {
    /// An advice of class [`AdviceClass::Flags`], on the pages that [`check_madvise`] gave.
    ///
    /// # Errors
    /// `EPERM` and `EINVAL` as [`advised_flags`], `EAGAIN` if a VMA cannot be split, each after
    /// the VMAs before were changed; `ENOMEM` if the range has holes, after all were.
    pub fn madvise_flags(
        &mut self,
        pages: &mut dyn PageOps,
        range: PageRange,
        advice: Advice,
    ) -> Result<(), Errno> {
        self.for_each_part(range, |mm, id, part| {
            mm.advise_part(pages, (id, part), advice)
        })?
        .require_whole()
    }

    fn advise_part(
        &mut self,
        pages: &mut dyn PageOps,
        (id, part): (VmaId, PageRange),
        advice: Advice,
    ) -> Result<VmaId, Errno> {
        self.start_modify(id);
        let vma = self.vma(id);
        let mut flags = advised_flags(vma, advice)?;
        if flags.contains(VmFlags::HUGEPAGE) && advice == Advice::Hugepage {
            pages.khugepaged_enter(vma, flags);
        }
        if flags == vma.flags() {
            return Ok(id);
        }
        if advice == Advice::Unmergeable && vma.anon_vma().is_some() {
            pages.ksm_unmerge(vma, part);
        }
        let id = self
            .vma_modify_flags(pages, id, part, &mut flags)
            .map_err(memory_is_short)?;
        self.vma_mut(id).set_flags(flags);
        Ok(id)
    }

    /// An advice of class [`AdviceClass::Pages`], on the pages that [`check_madvise`] gave: calls
    /// `act` for the part of each VMA, ascending, once the VMA has admitted the advice.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL` and `EACCES` as [`admit_page_advice`], or what `act` returns, each after
    /// the parts before were acted on; `ENOMEM` if the range has holes, after all were.
    pub fn madvise_pages<E: From<Errno>>(
        &self,
        range: PageRange,
        advice: Advice,
        mut act: impl FnMut(VmaId, &Vma, PageRange) -> Result<(), E>,
    ) -> Result<(), E> {
        let coverage = self.visit_parts(range, |id, vma, part| {
            admit_page_advice(vma, advice)?;
            act(id, vma, part)
        })?;
        coverage.require_whole().map_err(E::from)
    }

    /// Does the VMA at `addr` let itself be populated (`mm/gup.c: check_vma_flags()` under
    /// `FOLL_MADV_POPULATE`)?
    ///
    /// # Errors
    /// `ENOMEM` if there is none, `EINVAL` if it does not allow the access.
    pub fn check_populate(&self, addr: crate::VirtAddr, write: bool) -> Result<VmaId, Errno> {
        let id = self.vma_lookup(addr).ok_or(Errno::ENOMEM)?;
        let wanted = if write { VmFlags::WRITE } else { VmFlags::READ };
        let flags = self.vma(id).flags();
        if flags.intersects(VmFlags::IO | VmFlags::PFNMAP) || !flags.contains(wanted) {
            return Err(Errno::EINVAL);
        }
        Ok(id)
    }
}
