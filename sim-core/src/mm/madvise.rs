//! The VMA half of `madvise`: which advice is what, what each VMA admits, and the flags.
//!
//! | [`AdviceClass`] | lock | who acts |
//! | --- | --- | --- |
//! | `Flags` | mmap_lock for writing | [`Mm::madvise_flags`] |
//! | `Pages` | a read lock | the machine, called by [`Mm::madvise_pages`] for each part |
//! | `Populate` | a read lock | the machine, page by page ([`Mm::check_populate`]) |
//!
//! Follows mm/madvise.c, mm/ksm.c: `ksm_madvise()`, mm/khugepaged.c: `hugepage_madvise()`, 6.18.

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

/// Does the advice throw contents away (`is_discard()`)?
const fn is_discard(advice: Advice) -> bool {
    matches!(
        advice,
        Advice::Free
            | Advice::Dontneed
            | Advice::DontneedLocked
            | Advice::Remove
            | Advice::Dontfork
            | Advice::Wipeonfork
            | Advice::GuardInstall
    )
}

/// A sealed anonymous VMA that cannot be written must not lose its contents
/// (`can_madvise_modify()`).
fn check_sealed(vma: &Vma, advice: Advice) -> Result<(), Errno> {
    let flags = vma.flags();
    let protected =
        flags.contains(VmFlags::SEALED) && vma.is_anon() && !flags.contains(VmFlags::WRITE);
    if protected && is_discard(advice) {
        Err(Errno::EPERM)
    } else {
        Ok(())
    }
}

/// Refuses with `EINVAL` a VMA that has one of these flags.
fn forbid(vma: &Vma, flags: VmFlags) -> Result<(), Errno> {
    if vma.flags().intersects(flags) {
        Err(Errno::EINVAL)
    } else {
        Ok(())
    }
}

/// Does a VMA admit an advice on its pages?
///
/// # Errors
/// `EPERM` if it is sealed, `EINVAL` if the advice is not for such memory, `EACCES` if a hole is to
/// be punched through a mapping that cannot write.
pub fn admit_page_advice(vma: &Vma, advice: Advice) -> Result<(), Errno> {
    check_sealed(vma, advice)?;
    match advice {
        Advice::Dontneed => forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB),
        Advice::DontneedLocked => forbid(vma, VmFlags::PFNMAP | VmFlags::HUGETLB),
        Advice::Free => {
            forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB)?;
            if vma.is_anon() {
                Ok(())
            } else {
                Err(Errno::EINVAL)
            }
        }
        Advice::Cold | Advice::Pageout => {
            forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB)
        }
        Advice::Remove => admit_remove(vma),
        Advice::GuardInstall => forbid(vma, VmFlags::SPECIAL | VmFlags::HUGETLB | VmFlags::LOCKED),
        Advice::GuardRemove => forbid(vma, VmFlags::SPECIAL | VmFlags::HUGETLB),
        Advice::Willneed | Advice::Collapse => Ok(()),
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
        | Advice::Keeponfork
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::Hwpoison
        | Advice::SoftOffline
        | Advice::Other(_) => Err(Errno::EINVAL),
    }
}

/// `madvise_remove()`: a shared mapping that may write, and not locked.
fn admit_remove(vma: &Vma) -> Result<(), Errno> {
    forbid(vma, VmFlags::LOCKED)?;
    if vma.file().is_none() {
        return Err(Errno::EINVAL);
    }
    let writes_through = VmFlags::SHARED | VmFlags::MAYWRITE;
    if vma.flags().contains(writes_through) {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

/// KSM leaves such memory alone, whatever is asked (`vma_ksm_compatible()`).
const KSM_IGNORES: VmFlags = VmFlags::SHARED
    .union(VmFlags::MAYSHARE)
    .union(VmFlags::SPECIAL)
    .union(VmFlags::HUGETLB)
    .union(VmFlags::DROPPABLE);

/// The flags of a VMA after an advice of class [`AdviceClass::Flags`].
///
/// # Errors
/// `EPERM` if it is sealed, `EINVAL` if the advice is not for such memory.
pub fn advised_flags(vma: &Vma, advice: Advice) -> Result<VmFlags, Errno> {
    check_sealed(vma, advice)?;
    let flags = vma.flags();
    Ok(match advice {
        Advice::Normal => flags - (VmFlags::RAND_READ | VmFlags::SEQ_READ),
        Advice::Sequential => (flags - VmFlags::RAND_READ) | VmFlags::SEQ_READ,
        Advice::Random => (flags - VmFlags::SEQ_READ) | VmFlags::RAND_READ,
        Advice::Dontfork => flags | VmFlags::DONTCOPY,
        Advice::Dofork => {
            forbid(vma, VmFlags::IO)?;
            flags - VmFlags::DONTCOPY
        }
        Advice::Wipeonfork => {
            forbid(vma, VmFlags::SHARED)?;
            if !vma.is_anon() {
                return Err(Errno::EINVAL);
            }
            flags | VmFlags::WIPEONFORK
        }
        Advice::Keeponfork => {
            forbid(vma, VmFlags::DROPPABLE)?;
            flags - VmFlags::WIPEONFORK
        }
        Advice::Dontdump => flags | VmFlags::DONTDUMP,
        Advice::Dodump => {
            forbid(vma, VmFlags::SPECIAL | VmFlags::DROPPABLE)?;
            flags - VmFlags::DONTDUMP
        }
        Advice::Mergeable if flags.intersects(KSM_IGNORES) => flags,
        Advice::Mergeable => flags | VmFlags::MERGEABLE,
        Advice::Unmergeable => flags - VmFlags::MERGEABLE,
        Advice::Hugepage => (flags - VmFlags::NOHUGEPAGE) | VmFlags::HUGEPAGE,
        Advice::Nohugepage => (flags - VmFlags::HUGEPAGE) | VmFlags::NOHUGEPAGE,
        Advice::Willneed
        | Advice::Dontneed
        | Advice::Free
        | Advice::Remove
        | Advice::Cold
        | Advice::Pageout
        | Advice::DontneedLocked
        | Advice::Collapse
        | Advice::GuardInstall
        | Advice::GuardRemove
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::Hwpoison
        | Advice::SoftOffline
        | Advice::Other(_) => return Err(Errno::EINVAL),
    })
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
